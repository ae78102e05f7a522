package wasm

import (
	"context"

	"github.com/weftlattice/weft/lattice"
)

// snapshot is the state of an instance after its initialisation.
type snapshot struct {
	memory  *image
	globals []uint64 // in the order of Module.globals
}

// capture takes the snapshot of an instance that has just begun, or says why that would not do.
func (i *Instance) capture() (*snapshot, string) {
	i.use.Lock()
	defer i.use.Unlock()
	switch calls := i.exchange.hostCalls; {
	case i.closed || i.broken.Load():
		return nil, "the first instance was closed at once"
	case calls > 0:
		return nil, "it makes calls while it begins"
	case i.clock.asked && i.guest.ExportedFunction(restored) == nil:
		return nil, "it takes random numbers or the time while it begins, and exports no " + restored
	}
	memory, err := i.linear.capture()
	if err != nil {
		return nil, err.Error()
	}
	snap := &snapshot{memory: memory, globals: make([]uint64, len(i.globals))}
	for n, g := range i.globals {
		snap.globals[n] = g.Get()
	}
	memory.hold()
	i.snapshot = snap
	return snap, ""
}

// Restore brings the instance back to the snapshot that its template has taken: nothing of the calls that it served is
// left in its memory and globals, and memory that they touched returns to the system. Then it calls the guest's export
// weft_restored, if there is one, for fresh random numbers.
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
	if err := i.linear.reset(); err != nil {
		return &lattice.Error{Code: lattice.ErrInternal, Op: "restore instance", Err: err}
	}
	if !i.shrink() {
		return unavailable("the memory could not be made small again")
	}
	return i.begin(ctx)
}

// shrink makes a memory that has grown as small as it was. The engine only knows growing; but it takes the size of what
// the allocator answers for the truth, also in its compiled code.
func (i *Instance) shrink() bool {
	size := i.snapshot.memory.size
	if i.linear.b != nil && uint64(len(i.linear.b)) == size {
		return true
	}
	i.linear.shrink = size
	_, ok := i.memory.Grow(1)
	i.linear.shrink = 0
	return ok && uint64(i.memory.Size()) == size && uint64(len(i.linear.b)) == size
}

// begin completes an instance whose memory is that of the snapshot.
func (i *Instance) begin(ctx context.Context) error {
	for n, g := range i.globals {
		g.Set(i.snapshot.globals[n])
	}
	i.bytes.Store(uint64(len(i.linear.b)))
	if i.reseed == nil {
		return nil
	}
	return i.run(ctx, "restore instance", func(ctx context.Context) error { return i.reseed.CallWithStack(ctx, nil) })
}
