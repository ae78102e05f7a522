package typed

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/weftlattice/weft/internal/nearest"
	"github.com/weftlattice/weft/lattice"
)

// Function is a function that a component exports, or imports from another one.
type Function struct {
	Interface string // with its version; "": of the component itself
	Name      string
	Type      string // as ParseFunc reads it
}

// String is what people call it: interface#function.
func (f Function) String() string {
	if f.Interface == "" {
		return f.Name
	}
	return f.Interface + "#" + f.Name
}

// Operation is the operation of calls of it.
func (f Function) Operation() string {
	if f.Interface == "" {
		return f.Name
	}
	return f.Interface + "." + f.Name
}

// Surface is what a component exports for others, and imports from others. Text has a line for each function; the
// lattice keeps it with the claims of an actor.
type Surface struct {
	Exports, Imports []Function
	More             bool // there are others, which the text had no room for
}

const (
	exportWord = "export "
	importWord = "import "
	moreLine   = "more\n"
)

// Within is Text of at most so many bytes: functions that do not fit are left out, and a line says so.
func (s Surface) Within(most int) (text string, whole bool) {
	if text = s.Text(); len(text) <= most {
		return text, true
	}
	text = text[:most-len(moreLine)]
	return text[:strings.LastIndexByte(text, '\n')+1] + moreLine, false
}

// Text is the inverse of ParseSurface.
func (s Surface) Text() string {
	var b strings.Builder
	for _, f := range s.Exports {
		fmt.Fprintf(&b, "%s%s: %s\n", exportWord, f, f.Type)
	}
	for _, f := range s.Imports {
		fmt.Fprintf(&b, "%s%s: %s\n", importWord, f, f.Type)
	}
	return b.String()
}

// ParseSurface reads the text of a surface. Lines that it does not know are left out: a later version wrote them.
func ParseSurface(text string) (s Surface) {
	for line := range strings.Lines(text) {
		s.More = s.More || line == moreLine
		name, shape, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			continue
		}
		if f, ok := strings.CutPrefix(name, exportWord); ok {
			s.Exports = append(s.Exports, parseName(f, shape))
		} else if f, ok := strings.CutPrefix(name, importWord); ok {
			s.Imports = append(s.Imports, parseName(f, shape))
		}
	}
	return s
}

func parseName(name, shape string) Function {
	face, f, ok := strings.Cut(name, "#")
	if !ok {
		face, f = "", name
	}
	return Function{face, f, shape}
}

// Contract is an interface without its version: what links are for.
func Contract(face string) lattice.ContractID {
	name, _, _ := strings.Cut(face, "@")
	return lattice.ContractID(name)
}

// Compatible reports whether an interface, with its version, is another one that has no version, or one of the same
// track: the same major version, or below 1 the same minor one, or below 0.1 the same. A version before a release is a
// track of its own.
func Compatible(a, b string) bool {
	nameA, versionA, _ := strings.Cut(a, "@")
	nameB, versionB, _ := strings.Cut(b, "@")
	return nameA == nameB && (versionB == "" || track(versionA) == track(versionB))
}

func track(version string) string {
	v := "v" + version
	if !semver.IsValid(v) || semver.Prerelease(v) != "" {
		return version
	}
	switch minor := semver.MajorMinor(v); {
	case semver.Major(v) != "v0":
		return semver.Major(v)
	case minor != "v0.0":
		return minor
	}
	return semver.Canonical(v)
}

// Find finds what a person or an operation means among functions: interface#function or interface.function, the
// function's name alone where only one has it. A version may be left out, or be another one of the same track. The
// error, lattice.ErrNotFound or ErrInvalid, names those that may be meant.
func Find(all []Function, name string) (Function, error) {
	var same []Function
	for _, f := range all {
		if f.String() == name || f.Operation() == name {
			return f, nil
		}
		face, function := split(name)
		if f.Name == function && (face == "" || Compatible(f.Interface, face)) {
			same = append(same, f)
		}
	}
	switch len(same) {
	case 1:
		return same[0], nil
	case 0:
		return Function{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "find function",
			Entity: lattice.Printable(name), Detail: cmp.Or(meant(all, name), "there is none such")}
	}
	var names []string
	for _, f := range same {
		names = append(names, f.String())
	}
	return Function{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "find function", Entity: lattice.Printable(name),
		Detail: "several are called so: " + strings.Join(names, ", ")}
}

// split is the inverse of Function.String and Function.Operation. The name of a function has no dot.
func split(name string) (face, function string) {
	if face, function, ok := strings.Cut(name, "#"); ok {
		return face, function
	}
	if !strings.Contains(name, ":") {
		return "", name
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// meant says what exists where name does not.
func meant(all []Function, name string) string {
	var names, short []string
	for _, f := range all {
		names, short = append(names, f.String()), append(short, f.Name)
	}
	near := nearest.Names(name, names)
	if _, function := split(name); len(near) == 0 {
		for _, n := range nearest.Names(function, short) {
			for _, f := range all {
				if f.Name == n {
					near = append(near, f.String())
				}
			}
		}
	}
	switch {
	case len(near) > 0:
		return lattice.Visible("did you mean " + strings.Join(near, " or ") + "?")
	case len(names) == 0:
		return "it exports no function for others"
	}
	slices.Sort(names)
	more := ""
	if len(names) > 10 {
		names, more = names[:10], ", and more"
	}
	return lattice.Visible("it exports " + strings.Join(names, ", ") + more)
}

// Mismatch says why what one component imports is not what another one exports; "": it is. Functions of an interface
// that the first does not import do not count.
func Mismatch(imports, exports []Function, contract lattice.ContractID) string {
	var faults []string
	for _, f := range imports {
		if Contract(f.Interface) != contract {
			continue
		}
		if parsed, err := ParseFunc(f.Type); err != nil {
			faults = append(faults, fmt.Sprintf("the type of %s is not known: %v", f, err))
			continue
		} else if parsed.Handle != "" {
			faults = append(faults, fmt.Sprintf("%s passes the resource %s, which stays in its component",
				f, parsed.Handle))
			continue
		}
		i := slices.IndexFunc(exports, func(e Function) bool {
			return e.Name == f.Name && Compatible(e.Interface, f.Interface)
		})
		switch {
		case i < 0:
			faults = append(faults, fmt.Sprintf("%s is not exported", f))
		case exports[i].Type != f.Type:
			faults = append(faults, fmt.Sprintf("%s is imported as %s, and exported as %s", f, f.Type, exports[i].Type))
		}
	}
	return strings.Join(faults, "; ")
}

// Side is one end of a link between actors.
type Side struct {
	Name    string // for people
	Surface string // as text; "": it is not known, or no component
}

// Misfit says why one actor cannot use a link for an interface, or another one cannot serve it; "": nothing is known
// against it.
func Misfit(contract lattice.ContractID, from, to Side) string {
	caller, target := ParseSurface(from.Surface), ParseSurface(to.Surface)
	in, out := caller.Imports, target.Exports
	switch {
	case from.Surface != "" && !caller.More && !slices.Contains(Contracts(in), contract):
		return from.lacks("imports", contract, Contracts(in))
	case to.Surface == "" || target.More: // what is no component may serve the operations
		return ""
	case !slices.Contains(Contracts(out), contract):
		return to.lacks("exports", contract, Contracts(out))
	case from.Surface == "":
		return handles(out, contract)
	}
	return Mismatch(in, out, contract)
}

// Contracts are the interfaces of functions, without versions.
func Contracts(all []Function) (names []lattice.ContractID) {
	for _, f := range all {
		if c := Contract(f.Interface); c != "" && !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	return names
}

func (s Side) lacks(verb string, contract lattice.ContractID, have []lattice.ContractID) string {
	text := fmt.Sprintf("%s %s no interface %s", s.Name, verb, contract)
	if near := nearest.DidYouMean(contract, have); near != "" {
		return text + "; " + near
	}
	if len(have) > 0 {
		text += "; it " + verb + " " + strings.Join(lattice.Texts(have), ", ")
	}
	return text
}

// handles names the functions of an interface that pass resources.
func handles(all []Function, contract lattice.ContractID) string {
	var faults []string
	for _, f := range all {
		if t, err := ParseFunc(f.Type); Contract(f.Interface) == contract && err == nil && t.Handle != "" {
			faults = append(faults, fmt.Sprintf("%s passes the resource %s, which stays in its component", f, t.Handle))
		}
	}
	return strings.Join(faults, "; ")
}
