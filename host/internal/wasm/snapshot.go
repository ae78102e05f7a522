package wasm

import (
	"context"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/lattice"
)

// snapshot is the state of an instance after its initialisation.
type snapshot struct {
	cores   []coreState
	handles []abi.Handles // of each component instance
}

// coreState is that of a core instance.
type coreState struct {
	memory  *image   // nil: it has none of its own
	globals []uint64 // in the order of Module.globals
}

// hold adds a holder of the images; the caller is one.
func (s *snapshot) hold() {
	for _, c := range s.cores {
		if c.memory != nil {
			c.memory.hold()
		}
	}
}

// drop takes a holder away.
func (s *snapshot) drop() {
	for _, c := range s.cores {
		if c.memory != nil {
			c.memory.drop()
		}
	}
}

// capture takes the snapshot of an instance that has just begun, or says why that would not do.
func (i *Instance) capture() (*snapshot, string) {
	i.use.Lock()
	defer i.use.Unlock()
	switch calls := i.exchange.hostCalls; {
	case i.closed || i.broken.Load():
		return nil, "the first instance was closed at once"
	// What it was told may be another thing for the next instance, and a restored one would not ask.
	case calls > 0:
		return nil, "it makes calls while it begins"
	// All instances would draw the same random numbers.
	case i.clock.asked && !i.reseeds():
		return nil, "it takes random numbers or the time while it begins, and exports no " +
			i.template.module.restored()
	}
	snap := &snapshot{}
	if i.parts != nil {
		var why string
		if snap.handles, why = i.parts.save(); why != "" {
			return nil, why
		}
	}
	for n := range i.cores {
		state, err := i.cores[n].capture()
		if err != nil {
			snap.drop() // what is mapped of it stays
			return nil, err.Error()
		}
		snap.cores = append(snap.cores, state)
	}
	snap.hold()
	i.snapshot = snap
	return snap, ""
}

func (c *core) capture() (s coreState, err error) {
	if c.linear.declared > 0 {
		if s.memory, err = c.linear.capture(); err != nil {
			return s, err
		}
	}
	s.globals = make([]uint64, len(c.globals))
	for n, g := range c.globals {
		s.globals[n] = g.Get()
	}
	return s, nil
}

// Restore brings the instance back to the snapshot that its template has taken: nothing of the calls that it served is
// left in its memory, globals and handles, and memory that they touched returns to the system. Then it calls the
// guest's export weft_restored, weft-restored in a component, if there is one, for fresh random numbers.
//
// It fails with lattice.ErrUnavailable where there is no snapshot, or when the instance is broken or closed, and with
// the errors of Call when weft_restored does; then the instance is of no more use.
func (i *Instance) Restore(ctx context.Context) error {
	i.use.Lock()
	defer i.use.Unlock()
	switch {
	case i.closed || i.broken.Load():
		return unavailable("the instance is closed or broken")
	case i.snapshot == nil:
		return unavailable("the instance has no snapshot to be restored to")
	}
	if err := i.rewind(ctx); err != nil {
		i.broken.Store(true)
		return err
	}
	return nil
}

// rewind puts the state of the snapshot into the guest.
func (i *Instance) rewind(ctx context.Context) error {
	for n := range i.cores {
		if c := &i.cores[n]; c.linear.image != nil {
			if err := c.linear.reset(); err != nil {
				return &lattice.Error{Code: lattice.ErrInternal, Op: "restore instance", Err: err}
			}
			if !c.shrink() {
				return unavailable("the memory could not be made small again")
			}
		}
	}
	return i.begin(ctx)
}

// shrink makes a memory that has grown as small as it was. The engine only knows growing; but it takes the size of what
// the allocator answers for the truth, also in its compiled code.
func (c *core) shrink() bool {
	size := c.linear.image.size
	if c.linear.b != nil && uint64(len(c.linear.b)) == size {
		return true
	}
	c.linear.shrunk = true
	_, ok := c.guest.Memory().Grow(1)
	c.linear.shrunk = false
	return ok && uint64(c.guest.Memory().Size()) == size && uint64(len(c.linear.b)) == size
}

// begin completes an instance whose memories are those of the snapshot.
func (i *Instance) begin(ctx context.Context) error {
	for n := range i.cores {
		for k, g := range i.cores[n].globals {
			g.Set(i.snapshot.cores[n].globals[k])
		}
	}
	i.bytes.Store(i.account.size)
	if i.parts != nil {
		i.parts.served = 0
		i.parts.load(i.snapshot.handles)
		i.parts.state.Reset()
	}
	switch {
	case !i.reseeds():
		return nil
	case i.parts != nil:
		return i.runComponent(ctx, "restore instance", func(ctx context.Context) error {
			_, err := i.call(ctx, i.template.module.component.restored, nil, nil)
			return err
		})
	}
	return i.run(ctx, "restore instance", func(ctx context.Context) error { return i.reseed.CallWithStack(ctx, nil) })
}

// reseeds reports whether the guest has a function that is called in an instance that begins with a snapshot.
func (i *Instance) reseeds() bool {
	return i.reseed != nil || i.parts != nil && i.template.module.component.restored != nil
}
