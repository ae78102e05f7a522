package abi

import (
	"slices"

	"github.com/weftlattice/weft/host/internal/component/types"
)

// MaxHandles is how many handles a component instance may hold at the same time.
const MaxHandles = 1 << 14

// Table holds the handles of one component instance. It is used by one goroutine at a time.
type Table struct {
	entries []handle // entries[0] is never used: no handle is 0
	free    []uint32 // in the order in which they became free
	used    int
}

type handle struct {
	resource *types.Resource // nil: free
	rep      Rep
	own      bool
	lends    int   // calls that have a borrow of it now
	call     *Call // the call that a borrowed one belongs to
}

// Call is what one call has borrowed. The zero value is ready.
type Call struct {
	borrows int       // handles that the callee got and has not dropped
	lent    []lending // handles of the caller that must stay meanwhile
}

type lending struct {
	table *Table
	index uint32
}

// End gives back what the caller has lent. It traps when the callee still holds what it has borrowed.
func (c *Call) End() error {
	for _, l := range c.lent {
		l.table.entries[l.index].lends--
	}
	c.lent = c.lent[:0]
	if c.borrows > 0 {
		return Trap("a call returned with %d borrowed handles that it has not dropped", c.borrows)
	}
	return nil
}

// Forget makes the Call that of another call, whatever became of this one.
func (c *Call) Forget() {
	if c.borrows = 0; len(c.lent) > 0 {
		clear(c.lent)
		c.lent = c.lent[:0]
	}
}

// Len is how many handles there are.
func (t *Table) Len() int { return t.used }

// Own gives a guest a handle that owns rep.
func (t *Table) Own(r *types.Resource, rep Rep) (uint32, error) {
	return t.add(handle{resource: r, rep: rep, own: true})
}

// Borrow gives a guest a handle for the time of a call.
func (t *Table) Borrow(r *types.Resource, rep Rep, c *Call) (uint32, error) {
	i, err := t.add(handle{resource: r, rep: rep, call: c})
	if err == nil {
		c.borrows++
	}
	return i, err
}

func (t *Table) add(h handle) (uint32, error) {
	if t.used >= MaxHandles {
		return 0, Trap("more than %d handles", MaxHandles)
	}
	t.used++
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		t.entries[i] = h
		return i, nil
	}
	if len(t.entries) == 0 {
		t.entries = append(t.entries, handle{})
	}
	t.entries = append(t.entries, h)
	return uint32(len(t.entries) - 1), nil
}

// get returns the handle with an index, which must be of a resource.
func (t *Table) get(r *types.Resource, i uint32) (*handle, error) {
	if uint64(i) >= uint64(len(t.entries)) || t.entries[i].resource == nil {
		return nil, Trap("unknown handle index %d", i)
	}
	h := &t.entries[i]
	if h.resource != r {
		return nil, Trap("handle index %d used with the wrong type: it is of %s, not of %s", i, named(h.resource),
			named(r))
	}
	return h, nil
}

func named(r *types.Resource) string {
	if r.Name == "" {
		return "a resource without a name"
	}
	return r.Name
}

// value is r as values are.
func (r Rep) value() any {
	if r.Object != nil {
		return r.Object
	}
	return r
}

// Rep is what a handle stands for.
func (t *Table) Rep(r *types.Resource, i uint32) (Rep, error) {
	h, err := t.get(r, i)
	if err != nil {
		return Rep{}, err
	}
	return h.rep, nil
}

// Take removes an owning handle, as when it is given away.
func (t *Table) Take(r *types.Resource, i uint32) (rep any, err error) {
	h, err := t.get(r, i)
	switch {
	case err != nil:
		return nil, err
	case !h.own:
		return nil, Trap("handle index %d is borrowed and cannot be given away", i)
	case h.lends > 0:
		return nil, Trap("cannot remove owned resource while borrowed (handle index %d)", i)
	}
	rep = h.rep.value()
	t.remove(i)
	return rep, nil
}

// Lend returns what a handle stands for, and keeps it until the call ends.
func (t *Table) Lend(r *types.Resource, i uint32, c *Call) (rep any, err error) {
	h, err := t.get(r, i)
	if err != nil {
		return nil, err
	}
	h.lends++
	c.lent = append(c.lent, lending{t, i})
	return h.rep.value(), nil
}

// Drop removes a handle. Owned says whether it owned rep, which then is to be destroyed.
func (t *Table) Drop(r *types.Resource, i uint32) (rep Rep, owned bool, err error) {
	h, err := t.get(r, i)
	switch {
	case err != nil:
		return Rep{}, false, err
	case h.lends > 0:
		return Rep{}, false, Trap("cannot remove owned resource while borrowed (handle index %d)", i)
	}
	if h.call != nil {
		h.call.borrows--
	}
	rep, owned = h.rep, h.own
	t.remove(i)
	return rep, owned, nil
}

func (t *Table) remove(i uint32) {
	t.entries[i] = handle{}
	t.free = append(t.free, i)
	t.used--
}

// Each calls f for what is owned, and empties the table: for when the instance ends.
func (t *Table) Each(f func(r *types.Resource, rep Rep)) {
	all := t.entries
	*t = Table{}
	owned(all, f)
}

func owned(all []handle, f func(r *types.Resource, rep Rep)) {
	for _, h := range all {
		if h.resource != nil && h.own {
			f(h.resource, h.rep)
		}
	}
}

// Handles is what a table held while no call was in progress. It is not changed any more.
type Handles struct {
	entries []handle
	free    []uint32
	used    int
}

// Save copies what the table holds.
func (t *Table) Save() Handles {
	return Handles{slices.Clone(t.entries), slices.Clone(t.free), t.used}
}

// Each calls f for what is owned.
func (h Handles) Each(f func(r *types.Resource, rep Rep)) { owned(h.entries, f) }

// Load puts handles in the place of what the table holds: drop is called for what is owned now, and object makes what
// stands for an object of the host.
func (t *Table) Load(h Handles, drop func(r *types.Resource, rep Rep), object func(any) any) {
	owned(t.entries, drop)
	t.entries, t.free, t.used = append(t.entries[:0], h.entries...), append(t.free[:0], h.free...), h.used
	for n := range t.entries {
		if rep := &t.entries[n].rep; rep.Object != nil {
			rep.Object = object(rep.Object)
		}
	}
}
