package wasi

import (
	_ "embed"
	"regexp"
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
	lets, all, face := map[string]string{}, map[string]string{}, ""
	for line := range strings.Lines(strings.ReplaceAll(functionsText, "\n  ", " ")) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch word {
		case "", "#":
		case "let":
			name, shape, _ := strings.Cut(rest, " ")
			lets["$"+name] = shape
		case "interface":
			face = rest
		case "export":
			name, shape, _ := strings.Cut(rest, " ")
			all["export "+face+"#"+name] = shape
		default:
			all[face+"#"+word] = rest
		}
	}
	for name, shape := range all {
		for strings.Contains(shape, "$") { // what is said once has such within
			shape = saidOnce.ReplaceAllStringFunc(shape, func(name string) string { return lets[name] })
		}
		all[name] = shape
	}
	return all
})

var saidOnce = regexp.MustCompile(`\$[a-z0-9-]+`)

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
