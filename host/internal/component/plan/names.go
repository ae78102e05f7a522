package plan

import (
	"strings"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
	"github.com/weftlattice/weft/lattice"
)

// namespace is the names of a scope's imports, or of its exports.
type namespace struct {
	taken     map[string]string          // by what names must differ in
	resources map[string]*types.Resource // by their names
	// anonymous is of an instance that is put together of what exists: what it names has no name for its other parts.
	anonymous bool
}

// take adds a name. It fails where another one is too like it, and where it says of a function what is not true of it.
func (n *namespace) take(verb, name string, it item) error {
	if n.taken == nil {
		n.taken, n.resources = map[string]string{}, map[string]*types.Resource{}
	}
	for _, key := range binary.Clashes(name) {
		if before, ok := n.taken[key]; ok {
			return wasmbin.Bad("%s %s conflicts with %s", verb, lattice.Printable(name), lattice.Printable(before))
		}
	}
	for _, key := range binary.Clashes(name) {
		n.taken[key] = name
	}
	if r, ok := it.value.(*resource); ok && !n.anonymous {
		n.resources[name] = r.real()
	}
	f, ok := it.value.(*Func)
	if !ok || !strings.HasPrefix(name, "[") {
		return nil
	}
	if why := n.fits(name, f.Type); why != "" {
		return wasmbin.Bad("%s %s: %s", verb, lattice.Printable(name), why)
	}
	return nil
}

// fits says why a function is not what its name says; "": it is.
func (n *namespace) fits(name string, f *types.Func) string {
	annotation, rest, _ := strings.Cut(name[1:], "]")
	label, _, _ := strings.Cut(rest, ".")
	resource := n.resources[label]
	if resource == nil {
		return "there is no resource " + label + " beside it"
	}
	switch annotation {
	case "constructor":
		r := f.Result
		if r != nil && r.Kind == types.Result {
			r = r.Cases[0].Type
		}
		if r == nil || r.Kind != types.Own || r.Resource != resource {
			return "it does not return " + label
		}
	case "method":
		if len(f.Params) == 0 || f.Params[0].Label != "self" || f.Params[0].Type.Kind != types.Borrow ||
			f.Params[0].Type.Resource != resource {
			return "its first parameter is not self: borrow<" + label + ">"
		}
	}
	return ""
}
