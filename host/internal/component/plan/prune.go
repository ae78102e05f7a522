package plan

import (
	"slices"

	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/types"
)

// prune takes out of the imports what the module does not use: a world is told of with all its interfaces.
func (m *module) prune() {
	p := m.planner
	used := live{}
	for _, b := range p.plan.Builtins {
		used.resource(b.Resource)
		if b.Func != nil {
			used.function(b.Func.Type)
		}
	}
	used.items(p.plan.Exports)
	p.plan.Imports = used.prune(p.plan.Imports)
	p.plan.Functions = slices.DeleteFunc(p.plan.Functions, func(f *Import) bool { return !f.Used })
}

// live are the types that something uses.
type live map[any]bool

func (l live) resource(r *types.Resource) {
	if r != nil {
		l[r] = true
	}
}

func (l live) items(all []Item) {
	for _, it := range all {
		l.resource(it.Resource)
		l.value(it.Type)
		if it.Func != nil {
			l.function(it.Func.Type)
		}
		l.items(it.Items)
	}
}

func (l live) function(f *types.Func) {
	for _, p := range f.Params {
		l.value(p.Type)
	}
	l.value(f.Result)
}

func (l live) value(t *types.Type) {
	if t == nil || t.Kind <= types.String || l[t.Base()] {
		return
	}
	l[t.Base()] = true
	l.resource(t.Resource)
	l.value(t.Element)
	for _, f := range t.Fields {
		l.value(f.Type)
	}
	for _, c := range t.Cases {
		l.value(c.Type)
	}
}

// prune keeps functions that are used, types that are live, and interfaces in which one of the two is for the first
// time.
func (l live) prune(all []Item) (kept []Item) {
	shown := map[any]bool{}
	for _, it := range all {
		switch {
		case it.Sort != binary.Instances:
			if !l.has(it) {
				continue
			}
		case !l.inner(&it, shown):
			continue
		}
		kept = append(kept, it)
	}
	return kept
}

// inner prunes an interface, and reports whether it is of use.
func (l live) inner(face *Item, shown map[any]bool) (useful bool) {
	face.Items = slices.DeleteFunc(face.Items, func(it Item) bool { return !l.has(it) })
	for _, it := range face.Items {
		var key any = it.Resource
		if it.Type != nil {
			key = it.Type.Base()
		}
		useful = useful || it.Func != nil || !shown[key]
		shown[key] = true
	}
	return useful
}

func (l live) has(it Item) bool {
	switch {
	case it.Func != nil:
		return it.Func.Import.Used
	case it.Type != nil:
		return l[it.Type.Base()]
	}
	return it.Resource != nil && l[it.Resource]
}
