package plan

import (
	"fmt"
	"slices"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/wasmbin"
)

// scope is the index spaces of a component that is being instantiated, or of a type of a component or instance.
type scope struct {
	parent   *scope
	instance int  // the component instance's number
	body     bool // of a component, and not of a type

	imports, exports namespace
	names            *names     // nil: nobody asks for them
	typ              *scopeType // what is looked at is this type; nil: a component

	core       [binary.CoreTag + 1][]coreItem // functions, tables, memories, globals, tags
	coreTypes  []binary.CoreType
	modules    []*coreModule
	coreInsts  []coreInstance
	funcs      []*Func
	types      []any // *types.Type, *types.Func, *resource or *scopeType
	components []*closure
	instances  []*instance
}

// coreItem is something of core WebAssembly with its type.
type coreItem struct {
	def  Def
	kind wasmbin.Extern
}

// coreInstance is what a core instance exports.
type coreInstance map[string]coreItem

// coreModule is a core module.
type coreModule struct {
	surface *wasmbin.Surface
	number  int // in Plan.Modules; -1: it is known by its type alone
}

// closure is a component with what it can see, or one that is known by its type alone.
type closure struct {
	component *binary.Component
	scope     *scope
	typ       *scopeType // where component is nil
}

// instance is what an instance exports.
type instance struct {
	exports map[string]item
	order   []binary.Name
}

// item is something of a sort that an import or export can have.
type item struct {
	sort  binary.Sort
	value any // *Func, one of scope.types, *instance, *closure or *coreModule
}

// resource is a resource under one name: each import and export of it makes another. What it is stays the same.
type resource struct {
	is   *types.Resource
	from *resource // whose other name it is; nil: nobody's
}

// real is the resource behind one that hides it.
func (r *resource) real() *types.Resource {
	if r.is.Hides != nil {
		return r.is.Hides
	}
	return r.is
}

// scopeType is the type of a component or an instance with what it can see.
type scopeType struct {
	binary.ScopeType
	scope *scope
}

func (i *instance) add(n binary.Name, it item) {
	if i.exports == nil {
		i.exports = map[string]item{}
	}
	i.exports[n.Text] = it
	i.order = append(i.order, n)
}

// at is all[n], or an error that names the sort.
func at[T any](all []T, n uint32, sort binary.Sort) (v T, err error) {
	if uint64(n) >= uint64(len(all)) {
		return v, wasmbin.Bad("%s %d of %d is used before it is defined", sort, n, len(all))
	}
	return all[n], nil
}

// get returns what has an index.
func (s *scope) get(i binary.Index) (it item, err error) {
	it.sort = i.Sort
	switch i.Sort {
	case binary.Func:
		it.value, err = at(s.funcs, i.N, i.Sort)
	case binary.Types:
		it.value, err = at(s.types, i.N, i.Sort)
	case binary.Instances:
		it.value, err = at(s.instances, i.N, i.Sort)
	case binary.Components:
		it.value, err = at(s.components, i.N, i.Sort)
	case binary.CoreModules:
		it.value, err = at(s.modules, i.N, i.Sort)
	default:
		err = wasmbin.Bad("a %s cannot be imported or exported", i.Sort)
	}
	return it, err
}

// put gives something the next index of its sort.
func (s *scope) put(it item) {
	switch v := it.value.(type) {
	case *Func:
		s.funcs = append(s.funcs, v)
	case *instance:
		s.instances = append(s.instances, v)
	case *closure:
		s.components = append(s.components, v)
	case *coreModule:
		s.modules = append(s.modules, v)
	default:
		s.types = append(s.types, v)
	}
}

// outer is the scope that lies so many outwards. It reports whether that is another component's.
func (s *scope) outer(n uint32) (out *scope, leaves bool, err error) {
	for ; n > 0 && s != nil; n-- {
		leaves = leaves || s.body
		s = s.parent
	}
	if s == nil {
		return nil, false, wasmbin.Bad("an alias of something outside of all scopes")
	}
	return s, leaves, nil
}

// refersToResources reports whether a type is of resources, or has them within.
func (p *planner) refersToResources(t any) bool {
	switch t := t.(type) {
	case *resource:
		return true
	case *scopeType:
		return len(t.Declarations) > 0 && p.open[&t.Declarations[0]]
	case *types.Type:
		return t.Handles
	case *types.Func:
		return t.Result != nil && t.Result.Handles ||
			slices.ContainsFunc(t.Params, func(p types.Field) bool { return p.Type.Handles })
	}
	return false
}

// describe names what something is, for errors.
func describe(it item) string {
	switch v := it.value.(type) {
	case *types.Type:
		return "the type " + v.Kind.String()
	case *types.Func:
		return "the type of a function"
	case *resource:
		return "a resource"
	case *scopeType:
		return "the type of a component or instance"
	default:
		return fmt.Sprintf("a %s", it.sort)
	}
}
