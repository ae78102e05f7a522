package face

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/lattice"
)

// Family is interfaces that are written together.
//
// A version track is what one implementation serves: "0.2" is all released versions 0.2.x, since what a version added
// is more functions. A draft, as 0.2.0-draft, is a track of its own. See Track.
type Family struct {
	// Functions are by interface, with its track, and name.
	Functions map[string]map[string]Func
	// Absent says why a function is never called that has a type and no implementation: guests cannot have what it
	// would be called with. "": there is no such function.
	Absent string
	// Contracts are those that a guest must be granted to use an interface, by its name with its track. One that needs
	// none, or is not here, is every guest's.
	Contracts map[string]lattice.ContractID
}

// Interface is one interface of the host.
type Interface struct {
	Functions map[string]Func
	Shapes    map[string]string  // of Functions, as wit.Shape writes them
	Exports   map[string]string  // of what the host calls
	Contract  lattice.ContractID // that a guest must be granted to use it; "": none
}

// Interfaces are those of a family, by name with track. It panics when what it is made of does not fit, which is a
// mistake in this program.
//
// Types are those of all functions that the interfaces have, as wit.Shape writes them: of each interface the name with
// its track, and then a line with the name and the type of each function. "export" before it is what the host calls.
// What comes often is said once, with let, and begins with $ where it is used. A line that begins with spaces goes on
// from the one before.
//
// The types of a guest's imports must be those that the functions are made for: a function that gets a handle of
// another resource would find another object behind it.
func (f Family) Interfaces(types string) map[string]*Interface {
	all, lets := map[string]*Interface{}, map[string]string{}
	var face *Interface
	for line := range strings.Lines(strings.ReplaceAll(types, "\n  ", " ")) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch word {
		case "":
		case "let":
			name, shape, _ := strings.Cut(rest, " ")
			lets["$"+name] = said(shape, lets)
		case "interface":
			face = &Interface{map[string]Func{}, map[string]string{}, map[string]string{}, f.Contracts[rest]}
			all[rest] = face
		case "export":
			name, shape, _ := strings.Cut(rest, " ")
			face.Exports[name] = said(shape, lets)
		default:
			face.Shapes[word] = said(rest, lets)
			face.Functions[word] = absent(word, f.Absent)
		}
	}
	for name := range f.Contracts {
		if all[name] == nil {
			panic("a contract of " + name + ", which does not exist")
		}
	}
	for name, functions := range f.Functions {
		if all[name] == nil {
			panic("no types of " + name)
		}
		for function, f := range functions {
			if all[name].Shapes[function] == "" {
				panic(fmt.Sprintf("no type of %s#%s", name, function))
			}
			all[name].Functions[function] = f
		}
	}
	return all
}

var saidOnce = regexp.MustCompile(`\$[a-z0-9-]+`)

// said is a shape with what is said once in its places. What it uses comes before it.
func said(shape string, lets map[string]string) string {
	return saidOnce.ReplaceAllStringFunc(shape, func(name string) string {
		shape, ok := lets[name]
		if !ok {
			panic(name + " is used before it is said")
		}
		return shape
	})
}

// absent is a function of something that no guest can have.
func absent(name, why string) Func {
	return Func{Call: func(*Call, []any) (any, error) { return nil, abi.Trap("%s: %s", name, why) }}
}

// Track writes an interface's name with the version track that its version is of: "0.2" of 0.2.1, "1" of 1.4.0, and
// the whole version of a draft or of 0.0.3.
func Track(name string) string {
	name, version, ok := strings.Cut(name, "@")
	switch {
	case !ok:
		return name
	case strings.ContainsAny(version, "-+"):
		return name + "@" + version
	}
	return name + "@" + track.FindString(version)
}

var track = regexp.MustCompile(`^(0\.0\.\d+|0\.\d+|\d+)`)
