package wasm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/lattice"
)

// Instance is a module with memory of its own. It serves one call at a time and is made for one user at a time, except
// that Close may come at any moment from anywhere and ends a call in progress. Close it when it is no longer needed:
// its memory lies outside the reach of the garbage collector.
type Instance struct {
	template *Template

	use    sync.Mutex // held during a call, and while restoring and closing
	closed bool       // guarded by use
	broken atomic.Bool
	bytes  atomic.Uint64 // size of the memories after the last call

	// The rest is guarded by use.
	cores    []core // one of a module; none for a WASI command between its runs
	account  account
	guest    api.Module // of a module
	linear   *linearMemory
	entry    api.Function
	reseed   api.Function // weft_restored, else nil
	snapshot *snapshot    // what it lies upon; nil: it cannot be restored
	watch    watch
	turn     *turns.Turn
	visits   int    // checks in the call in progress
	running  stack  // of the function that was called
	below    uint64 // bytes of the stacks of the calls that it was called within
	deep     error  // why a recursion was ended
	meter    meter
	ctx      *bound // of the call in progress
	exchange exchange
	clock    clock
	args     list
	stdin    []byte    // what is left of it
	response *response // what stdout goes to; nil: the log
	stdout   lines
	stderr   lines
	stack    [2]uint64
	parts    *composite // of a component; nil: it is a module
	giving   *answer    // that a component is giving; nil: none
	called   string     // op of the last call
}

// core is a core instance: a module has one, a component one for each step of its plan.
type core struct {
	guest   api.Module
	linear  *linearMemory       // what backs the memory of its own; without one nothing is in it
	globals []api.MutableGlobal // what a snapshot holds besides memory
}

// Instantiate makes an instance of its own kind: that of a Template which is used once, without a snapshot.
func (m *Module) Instantiate(ctx context.Context, limits Limits, host Host, env map[string]string) (*Instance, error) {
	return m.Template(limits, host, env).new(ctx, nil)
}

// new makes an instance that begins with a snapshot, or initialises itself where that is nil.
func (t *Template) new(ctx context.Context, snap *snapshot) (*Instance, error) {
	m := t.module
	if t.fault != nil {
		return nil, t.fault
	}
	if have := m.pages * pageBytes; have > t.limits.MemoryBytes {
		return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance",
			Detail: fmt.Sprintf("the module begins with %d bytes of memory, its limit is %d", have,
				t.limits.MemoryBytes)}
	}
	i := &Instance{template: t, snapshot: snap, turn: t.share.Turn()}
	i.account = account{limit: t.limits.MemoryBytes, budget: m.engine.cfg.Memory}
	i.stdout, i.stderr = lines{instance: i, source: Stdout}, lines{instance: i, source: Stderr}
	if !m.engine.add(i) {
		if snap != nil {
			snap.drop()
		}
		return nil, unavailable("the engine is closed")
	}
	// Interrupt sets its flag and then looks for instances; this one can be found first and looks at the flag then. In
	// whatever order the two run, one of them sees the other.
	if t.interrupted.Load() { // looked at after it can be found
		i.watch.stop()
	}
	if m.info.Kind == WASICommand {
		i.bytes.Store(m.info.MemoryBytes)
		return i, nil
	}
	i.use.Lock()
	err := i.start(ctx)
	i.use.Unlock()
	if err != nil {
		_ = i.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return i, nil
}

// start instantiates an actor and brings it to where it can be called. use is held. A module upon a snapshot has been
// initialised by the snapshot; any other runs its start function, _initialize or _start, and wapc_init, as waPC's hosts
// do. Each may be missing.
func (i *Instance) start(ctx context.Context) error {
	i.args = list{argument}
	if i.template.module.component != nil {
		return i.openComponent(ctx)
	}
	if err := i.open(ctx); err != nil {
		return err
	}
	i.entry = i.guest.ExportedFunction(guestCall)
	i.running = stackOf(i.entry)
	if i.snapshot != nil {
		return i.begin(ctx)
	}
	initialisers := []string{instrument.StartFunc, initialize, wapcInit}
	if i.guest.ExportedFunction(initialize) == nil {
		initialisers[1] = start
	}
	return i.run(ctx, "start instance", func(ctx context.Context) error {
		for _, name := range initialisers {
			if f := i.guest.ExportedFunction(name); f != nil {
				i.running = stackOf(f)
				defer func() { i.running = stackOf(i.entry) }()
				// A command's _start ends with proc_exit(0) in some toolchains, which the engine reports as an error.
				// Its memory stays.
				if _, err := f.Call(ctx); err != nil && !exitedWell(err) {
					return err
				}
			}
		}
		return nil
	})
}

// open instantiates the guest. No guest code runs.
func (i *Instance) open(ctx context.Context) error {
	m := i.template.module
	if err := i.account.add(instanceBytes + m.tables*elementBytes); err != nil {
		return err
	}
	if err := i.openCore(ctx, m); err != nil {
		return errors.Join(err, i.shut(context.WithoutCancel(ctx)))
	}
	i.guest, i.linear = i.cores[0].guest, i.cores[0].linear
	i.reseed = i.guest.ExportedFunction(restored)
	i.bytes.Store(i.account.size)
	return nil
}

// openCore instantiates the next core module, upon the image of its memory or else with its data. ctx has what it
// imports from others; its end is not the instance's. No guest code runs. use is held.
func (i *Instance) openCore(ctx context.Context, m *Module) error {
	var img *image
	if i.snapshot != nil {
		img = i.snapshot.cores[len(i.cores)].memory
	}
	linear, err := newLinearMemory(&i.account, m.mostBytes, m.pages*pageBytes, m.engine.slices, img)
	if err != nil {
		return err
	}
	// any number of instances; we call the start functions ourselves
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	guest, err := m.engine.runtime.InstantiateModule(
		experimental.WithMemoryAllocator(context.WithoutCancel(ctx), linear), m.code, config)
	if err != nil {
		linear.Free() // the engine does not
		return &lattice.Error{Code: lattice.ErrBadModule, Op: "start instance", Err: err}
	}
	c := core{guest: guest, linear: linear, globals: make([]api.MutableGlobal, len(m.globals))}
	for n, name := range m.globals {
		c.globals[n] = guest.ExportedGlobal(name).(api.MutableGlobal)
	}
	i.cores = append(i.cores, c)
	linear.visit = i.visit
	i.watch.add(guest)
	i.meter.add(guest)
	if i.snapshot != nil {
		return nil
	}
	// The data segments were taken out of the module (instrument.Separate), so that an instance upon an image does not
	// copy them only to have them covered.
	constant := func(name string) uint32 { return uint32(guest.ExportedGlobal(name).Get()) }
	memory := guest.Memory() // it may be that of another
	for n, d := range m.data {
		if at := d.Offset(constant); !memory.Write(at, d.Bytes) {
			return badModule(fmt.Sprintf("data segment %d: %d bytes at %d lie outside of the memory of %d", n,
				len(d.Bytes), at, memory.Size()))
		}
	}
	return nil
}

// Call runs one operation and returns the response, which is the caller's to keep. The context reaches the host calls
// that the guest makes; the call ends when the context ends, and after Limits.Execution.
//
// # Errors
//
// Each is a *lattice.Error. After lattice.ErrGuest, the guest's own word, the instance is fit for the next call. After
// any other it is broken, unless the call had not begun:
//
//   - lattice.ErrTimeout, lattice.ErrCanceled: the context ended.
//   - lattice.ErrInterrupted: the call took longer than Limits.Execution.
//   - lattice.ErrFuel: the call spent more than Limits.Fuel.
//   - lattice.ErrMemory: a growth of the memory was refused, and the guest did not survive that.
//   - lattice.ErrStack: too deep a recursion.
//   - lattice.ErrTooLarge: too large a response or request, or too many host calls.
//   - lattice.ErrBadPointer: the guest named memory that it does not have.
//   - lattice.ErrTrap: anything else that ends a guest, with the engine's reason and what the guest wrote to stderr.
//   - lattice.ErrInternal: the host's own code panicked in a host call.
//   - lattice.ErrUnavailable: the instance is broken or closed already.
func (i *Instance) Call(ctx context.Context, operation string, payload []byte) ([]byte, error) {
	i.use.Lock()
	defer i.use.Unlock()
	op := i.op(operation)
	if i.closed || i.broken.Load() {
		return nil, unavailable("the instance is closed or broken")
	}
	// It could not be copied into the guest. So nothing has begun, and the instance stays fit.
	if size := uint64(len(operation)) + uint64(len(payload)); size > i.template.limits.MemoryBytes {
		return nil, &lattice.Error{Code: lattice.ErrTooLarge, Op: op,
			Detail: fmt.Sprintf("request of %d bytes, the actor's memory is limited to %d", size,
				i.template.limits.MemoryBytes)}
	}
	_ = i.hold(nil)
	i.exchange = exchange{operation: operation, payload: payload}
	defer func() { i.exchange = exchange{} }()
	switch i.template.module.info.Kind {
	case WASICommand:
		return i.command(ctx, op)
	case Component:
		return i.callComponent(ctx, op)
	}
	i.stack = [2]uint64{uint64(len(operation)), uint64(len(payload))}
	if err := i.run(ctx, op, func(ctx context.Context) error {
		return i.entry.CallWithStack(ctx, i.stack[:])
	}); err != nil {
		return nil, err
	}
	if uint32(i.stack[0]) == 1 {
		return i.exchange.response, nil
	}
	detail := strings.TrimPrefix(i.exchange.guestError, operation+": ") // SDKs say it, too
	if detail == "" {
		detail = "the guest reported an error without a text"
	}
	return nil, &lattice.Error{Code: lattice.ErrGuest, Op: op, Detail: detail}
}

// op is what an error calls an operation. use is held.
func (i *Instance) op(operation string) string {
	const call, most = "call ", 256
	if len(operation) > most {
		return call + operation
	}
	if len(i.called) != len(call)+len(operation) || i.called[len(call):] != operation {
		i.called = call + operation
	}
	return i.called
}

// run runs guest code under the watch and turns what the engine returns into an error of ours. use is held. After an
// error the instance is broken: the engine itself would let a trapped guest go on, with whatever its data structures
// were in the middle of.
func (i *Instance) run(ctx context.Context, op string, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return &lattice.Error{Code: lattice.CodeOf(err), Op: op, Err: err}
	}
	call := i.watch.arm(ctx, i, i.template.limits.Execution)
	i.ctx, i.visits, i.deep = call, 0, nil
	i.account.refused, i.account.short = false, nil
	i.stderr.reset()
	i.meter.start(i.template.limits.Fuel)
	err := f(call)
	i.turn.Give()
	_ = i.hold(nil)
	if i.account.stack > 0 { // a stack that has grown is kept by its function: the next call gets another one
		i.account.giveStack()
		if i.parts != nil {
			i.parts.renew()
		} else if i.entry != nil {
			i.entry = i.guest.ExportedFunction(guestCall)
			i.running = stackOf(i.entry)
		}
	}
	expired := i.watch.disarm(call)
	i.template.host.Spent(i.meter.spent())
	i.stdout.flush()
	i.stderr.flush()
	if err != nil {
		i.broken.Store(true)
		err = i.explain(call, op, err, expired)
	}
	// What the guest started with this context, such as a host call on another goroutine, ends with the call.
	call.Cancel(context.Canceled)
	i.ctx = nil
	i.bytes.Store(i.account.size)
	return err
}

// freeVisits is how many checks a call passes before it needs a turn: a tenth of a millisecond or more, in which most
// calls end.
const freeVisits = 32

// visit is what a guest does at each of its checks, some microseconds apart. The guest looks at its stop flag right
// after it.
func (i *Instance) visit() {
	// Once the guest has a turn it shares it at every check; before that it may take none at all, since most calls are
	// over before they would compete.
	switch i.visits++; {
	case i.turn.Held():
		i.turn.Share(i.ctx)
	case i.visits > freeVisits:
		i.turn.Take(i.ctx)
	}
	if r := i.giving; r != nil && i.visits > r.visits+heldVisits {
		r.due()
	}
	if err := i.checkStack(); err != nil {
		i.deep = err
		i.watch.raise()
	}
	if i.meter.together() {
		i.watch.raise()
	}
}

// checkStack takes what the stack has grown to from the budget, or says why it may not be so large.
func (i *Instance) checkStack() error {
	bytes := i.below + i.running.size()
	if bytes <= freeStack {
		return nil
	}
	if err := i.account.takeStack(bytes); err != nil {
		return &lattice.Error{Code: lattice.ErrStack, Err: err}
	}
	if bytes > maxStack {
		return &lattice.Error{Code: lattice.ErrStack, Detail: fmt.Sprintf("%s of stack, %s allowed",
			lattice.Size(int64(bytes)), lattice.Size(maxStack))}
	}
	return nil
}

// sleep is what a guest's sleep does: it ends with the call. The turn goes to others meanwhile, and the guest asks for
// one again at a later check.
func (i *Instance) sleep(d time.Duration) {
	i.turn.Give()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-i.ctx.Done():
		panic(errStopped)
	}
}

// Healthy reports whether the instance can serve another call. It is safe for concurrent use.
func (i *Instance) Healthy() bool { return !i.broken.Load() }

// MemoryBytes returns the size of the guest's memory as of its last call; a memory never shrinks. It is safe for
// concurrent use.
func (i *Instance) MemoryBytes() uint64 { return i.bytes.Load() }

// Close ends a call in progress, which then returns lattice.ErrCanceled, and releases the memory. Closing twice is no
// error. It is safe for concurrent use.
func (i *Instance) Close(ctx context.Context) error {
	// The order matters: the pool sees that it is broken, then the call in progress is ended, and only then is there a
	// wait for use, which that call holds.
	i.broken.Store(true)
	i.watch.stop()
	i.use.Lock()
	defer i.use.Unlock()
	if i.closed {
		return nil
	}
	i.closed = true
	i.template.module.engine.remove(i)
	err := i.shut(ctx)
	if i.snapshot != nil {
		i.snapshot.drop()
	}
	return err
}

// shut is the inverse of open, and does nothing to what open has not made. use is held. Core instances go in reverse,
// since a later one may import the memory of an earlier one.
func (i *Instance) shut(ctx context.Context) error {
	var errs []error
	for n := len(i.cores) - 1; n >= 0; n-- {
		errs = append(errs, i.cores[n].guest.Close(ctx))
	}
	i.account.close()
	i.watch.clear()
	i.meter.parts = nil
	i.cores, i.guest, i.linear, i.entry, i.reseed = nil, nil, nil, nil, nil
	if i.parts != nil {
		i.parts.shut()
		i.parts = nil
	}
	return errors.Join(errs...)
}

// unavailable says that nothing has begun: another instance may take the call.
func unavailable(detail string) error {
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "call instance", Detail: detail}
}
