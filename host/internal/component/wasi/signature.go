package wasi

import (
	_ "embed"
	"strings"
	"sync"
)

// Functions are written in functions.txt, since the types of a guest's imports must be those that the functions here
// are made for: a function that gets a handle of another resource would find another object behind it.
//
//go:embed functions.txt
var functionsText string

// shapes are the shapes of all functions of WASI 0.2, by interface#name, and of what the host calls, with "export "
// before it.
var shapes = sync.OnceValue(func() map[string]string {
	all, lets := map[string]string{}, []string{}
	lines := strings.Split(functionsText, "\n")
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, "let "); ok {
			name, shape, _ := strings.Cut(rest, " ")
			lets = append(lets, "$"+name, shape)
		}
	}
	expand := strings.NewReplacer(lets...)
	for _, line := range lines {
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "let ") {
			continue
		}
		prefix := ""
		if rest, ok := strings.CutPrefix(line, "export "); ok {
			prefix, line = "export ", rest
		}
		at := strings.Index(line, " func(")
		shape := line[at+1:]
		for strings.Contains(shape, "$") { // types have types within
			shape = expand.Replace(shape)
		}
		all[prefix+line[:at]] = shape
	}
	return all
})

// Shape is how wit.Shape writes the type of a function of WASI 0.2; "": there is none.
func Shape(face, name string) string {
	track, ok := Track(face)
	if !ok {
		return ""
	}
	return shapes()[track+"#"+name]
}

// ExportShape is Shape for what the host calls.
func ExportShape(face, name string) string {
	track, ok := Track(face)
	if !ok {
		return ""
	}
	return shapes()["export "+track+"#"+name]
}
