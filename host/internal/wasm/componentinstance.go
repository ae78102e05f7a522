package wasm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/binary"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/component/plan"
	"github.com/weftlattice/weft/host/internal/component/types"
	"github.com/weftlattice/weft/host/internal/component/wasi"
	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// composite is what an instance of a component has besides: handles, and where its calls are.
type composite struct {
	functions map[*plan.Def]*entry // that have been called
	callers   []*side              // of each builtin that was called
	callees   map[*plan.Lift]*side // of each function that was called
	tables    []abi.Table          // of each component instance
	locked    []bool               // component instances that may call nothing now: they make room, or clean up
	entered   []bool               // component instances that are running
	depth     int                  // of calls within calls
	failed    error                // what ended the call in progress
	served    int                  // calls since the instance began
	committed bool                 // the call in progress cannot be made once more by another instance
	exited    bool                 // the guest has ended itself in the call in progress
	state     face.State
	crossings []*crossing
	level     int       // how many of them are in use
	host      face.Call // of a function of the host
	results   abi.Boxes // of it
	answer    *answer   // nil: none was given yet
	sending   sending
}

// entry is a core function to be called. The engine's object for it has one stack: whoever calls it again meanwhile
// would write over the frames of the call outside.
type entry struct {
	def      *plan.Def
	function api.Function // nil: the next call finds it
	stack    stack
	running  bool
}

// side is the component instance that values come from or go to, with the options of a function.
type side struct {
	opts    *plan.Options
	owner   int
	handles *abi.Table
	memory  *linearMemory // nil: no type needs it
	realloc *entry        // nil: the same
	core    *entry        // that is called; nil: it calls
}

// openComponent instantiates all core modules, and runs their start functions, in the order of the plan.
func (i *Instance) openComponent(ctx context.Context) error {
	p := i.template.module.component.plan
	i.parts = &composite{functions: map[*plan.Def]*entry{}, callers: make([]*side, len(p.Builtins)),
		callees: map[*plan.Lift]*side{}, tables: make([]abi.Table, p.Instances),
		locked: make([]bool, p.Instances), entered: make([]bool, p.Instances)}
	i.parts.state = face.State{Args: i.args, Environ: i.template.pairs, Begin: began, Out: i.sink(&i.stdout),
		Err: i.sink(&i.stderr), Ask: i.ask, Send: i.send, Rest: i.rest,
		Streams: i.template.host.Streams,
		Warn:    func(ctx context.Context, text string) { i.template.host.Log(ctx, Stderr, text) }}
	i.parts.state.Contract = wasi.Outward
	i.parts.host = face.Call{State: &i.parts.state, Pay: i.payText, Boxes: &i.parts.results}
	if err := i.account.add(instanceBytes); err != nil {
		return err
	}
	if i.snapshot == nil {
		return i.runComponent(ctx, "start instance", func(ctx context.Context) error {
			for n := range p.Steps {
				if err := i.openPart(ctx, n); err != nil {
					return err
				}
				if err := i.startPart(ctx, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for n := range p.Steps {
		if err := i.openPart(ctx, n); err != nil {
			return err
		}
	}
	return i.begin(ctx)
}

// openPart instantiates the core module of a step. No guest code runs.
func (i *Instance) openPart(ctx context.Context, n int) error {
	c := i.template.module.component
	if err := i.account.add(coreBytes + c.parts[n].tables*elementBytes); err != nil {
		return err
	}
	resolve := func(name string) api.Module {
		if name == builtinName {
			return c.host
		}
		if k, err := strconv.Atoi(strings.TrimPrefix(name, stepPrefix)); err == nil && k >= 0 && k < len(i.cores) {
			return i.cores[k].guest
		}
		return nil
	}
	if err := i.openCore(experimental.WithImportResolver(ctx, resolve), c.parts[n]); err != nil {
		return err
	}
	if n == 0 {
		i.linear = i.cores[0].linear // a module that runs as a component has WASI preview 1, which works on this memory
	}
	return nil
}

// startPart runs the start function of a step, and what is to be called after it.
func (i *Instance) startPart(ctx context.Context, n int) error {
	for _, name := range []string{instrument.StartFunc, i.template.module.component.plan.Steps[n].Init} {
		if name == "" || i.cores[n].guest.ExportedFunction(name) == nil {
			continue
		}
		if err := i.callCore(ctx, &entry{def: &plan.Def{Step: n, Name: name}}, nil); err != nil {
			return err
		}
	}
	return nil
}

// entry finds a core function.
func (c *composite) entry(d *plan.Def) *entry {
	e := c.functions[d]
	if e == nil {
		e = &entry{def: d}
		c.functions[d] = e
	}
	return e
}

// renew lets each function have another stack.
func (c *composite) renew() {
	for _, e := range c.functions {
		e.function = nil
	}
}

// forget lets go of the values of a call that is over.
func (c *composite) forget() {
	for _, x := range c.crossings {
		x.lifter.Forget()
	}
	c.results.Reset()
}

// shut lets go of what the host holds for an instance that ends.
func (c *composite) shut() {
	for n := range c.tables {
		c.tables[n].Each(func(r *types.Resource, rep abi.Rep) { dropped(rep) })
	}
}

// save copies the handles, or says why that cannot be done.
func (c *composite) save() (handles []abi.Handles, why string) {
	for n := range c.tables {
		h := c.tables[n].Save()
		h.Each(func(r *types.Resource, rep abi.Rep) {
			if rep.Object != nil && like(rep.Object, &c.state) == nil {
				why = "it keeps a handle of " + cmp.Or(r.Name, "a resource") + " that it got while it began"
			}
		})
		handles = append(handles, h)
	}
	return handles, why
}

// load is the inverse of save. No call is in progress, whatever became of the last one.
func (c *composite) load(handles []abi.Handles) {
	clear(c.locked)
	clear(c.entered)
	c.level = 0
	for n := range c.tables {
		c.tables[n].Load(handles[n], func(_ *types.Resource, rep abi.Rep) { dropped(rep) },
			func(o any) any { return like(o, &c.state) })
	}
}

// like makes an object for this instance of that of another one; nil: it is of that one alone.
func like(object any, s *face.State) any {
	if o, ok := object.(interface{ LikeFor(*face.State) any }); ok {
		return o.LikeFor(s)
	}
	return nil
}

func dropped(rep abi.Rep) {
	if d, ok := rep.Object.(face.Dropped); ok {
		d.Drop()
	}
}

// sink passes what a guest writes to where the call in progress wants it, or to a log.
func (i *Instance) sink(l *lines) face.Sink {
	return func(ctx context.Context, b []byte) error {
		to := i.exchange.stdout
		if l == &i.stderr {
			to = i.exchange.stderr
		}
		if to != nil {
			return to(ctx, b)
		}
		l.write(b)
		return nil
	}
}

// nestBytes is about what a call within a call takes of the host's own stack.
const nestBytes = 8 << 10

// callCore calls a core function of the plan. A call within a call has a stack of its own; the limit of a stack holds
// for all of them together.
func (i *Instance) callCore(ctx context.Context, e *entry, stack []uint64) error {
	if e.def.Step == plan.FromBuiltins { // a function that was lowered, and is lifted again
		i.builtin(ctx, e.def.Builtin, stack)
		return nil
	}
	if e.running {
		e = &entry{def: e.def}
	}
	if e.function == nil {
		e.function = i.cores[e.def.Step].guest.ExportedFunction(e.def.Name)
		e.stack = stackOf(e.function)
	}
	below, outer := i.below, i.running
	if i.parts.depth > 0 {
		i.below += outer.size() + nestBytes
	}
	i.running = e.stack
	err := i.checkStack()
	if err == nil {
		i.parts.depth++
		e.running = true
		err = e.function.CallWithStack(ctx, stack)
		e.running = false
		i.parts.depth--
		if err != nil && exitedWell(err) { // by WASI preview 1
			err = &face.Exit{OK: true}
			i.parts.failed = cmp.Or(i.parts.failed, err)
		}
	}
	i.running, i.below = outer, below
	return err
}

// crossing is one call that values cross into or out of a core instance with: what package abi needs for it. It is the
// core instance for that package: its memory, and how it makes room. An instance keeps as many as its calls are deep.
type crossing struct {
	instance *Instance
	ctx      context.Context
	side     *side
	call     abi.Call
	room     grant
	lifter   abi.Lifter
	lowerer  abi.Lowerer
	core     [types.MaxFlat + 1]uint64
	realloc  [4]uint64 // what that is called with
}

// side prepares what crossings have of a component instance.
func (i *Instance) side(opts *plan.Options, owner int) *side {
	s := &side{opts: opts, owner: owner, handles: &i.parts.tables[owner]}
	if opts.Memory != nil {
		s.memory = i.memoryOf(opts.Memory)
	}
	if opts.Realloc != nil {
		s.realloc = i.parts.entry(opts.Realloc)
	}
	return s
}

// cross begins a crossing; leave ends it.
func (i *Instance) cross(ctx context.Context, s *side, forward bool) *crossing {
	p := i.parts
	if p.level == len(p.crossings) {
		c := &crossing{instance: i, room: grant{instance: i}}
		c.lifter.Grant, c.lifter.Call, c.lowerer.Call = c.room.asked(), &c.call, &c.call
		c.lowerer.Room = c.core[:0]
		p.crossings = append(p.crossings, c)
	}
	c := p.crossings[p.level]
	p.level++
	c.room.forward = forward
	c.lifter.Lend, c.lifter.Brief = false, true
	c.ctx = ctx
	if c.side == s {
		return c
	}
	c.side = s
	c.lifter.Guest, c.lowerer.Guest = nil, nil
	if s.memory != nil {
		c.lifter.Guest, c.lowerer.Guest = c, c
	}
	c.lifter.Encoding, c.lowerer.Encoding = s.opts.Encoding, s.opts.Encoding
	c.lifter.Handles, c.lowerer.Handles = s.handles, s.handles
	c.lowerer.Instance = s.owner
	return c
}

// leave ends the crossing that was begun last, however its call ends.
func (c *crossing) leave() {
	c.room.end()
	c.call.Forget()
	if c.room.forward { // what was lifted are parameters
		c.lifter.Forget()
	}
	c.instance.parts.level--
}

// Memory implements abi.Guest.
func (c *crossing) Memory() []byte { return c.side.memory.b }

// Realloc implements abi.Guest.
func (c *crossing) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	i := c.instance
	i.payBytes(int(size))
	c.realloc = [4]uint64{uint64(old), uint64(oldSize), uint64(align), uint64(size)}
	err := i.callLocked(c.ctx, c.side, c.side.realloc, c.realloc[:])
	return uint32(c.realloc[0]), err
}

// callLocked calls a function that makes room, or cleans up: its component instance may call nothing meanwhile.
func (i *Instance) callLocked(ctx context.Context, s *side, e *entry, stack []uint64) error {
	before := i.parts.locked[s.owner]
	i.parts.locked[s.owner] = true
	defer func() { i.parts.locked[s.owner] = before }()
	return i.callCore(ctx, e, stack)
}

// memoryOf finds what backs a memory, which the core instance that exports it may have from another.
func (i *Instance) memoryOf(d *plan.Def) *linearMemory {
	guest := i.cores[d.Step].guest
	exported, found := guest.ExportedMemory(d.Name), i.cores[d.Step].linear
	for n := range i.cores {
		if c := &i.cores[n]; c.linear.declared > 0 && c.guest.Memory() == exported {
			found = c.linear
		}
	}
	return found
}

// maxValues is how many bytes the values of one call may take here.
const maxValues = 256 << 20

// grant is what values of one call take here: paid for, and taken from the memory of all guests, before they are made.
type grant struct {
	instance *Instance
	forward  bool // values go on to another guest, so that texts need not be read
	taken    uint64
	ask      func(bytes int64) error // more; nil: not made yet
}

// asked is more as a function.
func (g *grant) asked() func(int64) error {
	if g.ask == nil {
		g.ask = g.more
	}
	return g.ask
}

// more is abi.Lifter.Grant.
func (g *grant) more(bytes int64) error {
	if err := g.take(bytes); err != nil {
		return err
	}
	g.instance.payBytes(int(bytes))
	return nil
}

// take is more without fuel, before the guest's call has begun.
func (g *grant) take(bytes int64) error {
	if g.taken += uint64(bytes); g.taken > maxValues {
		g.taken -= uint64(bytes)
		return &lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("the values of one call take more than %d MiB", maxValues>>20)}
	}
	if err := g.instance.template.module.engine.cfg.Memory.Take("the values of a call", uint64(bytes)); err != nil {
		g.taken -= uint64(bytes)
		return err
	}
	return nil
}

// end gives it back.
func (g *grant) end() {
	if g.taken > 0 {
		g.instance.template.module.engine.cfg.Memory.Give(g.taken)
		g.taken = 0
	}
}

// builtin is a call of a guest by way of the canonical ABI, of the builtin with that number. A panic ends the guest.
func (i *Instance) builtin(ctx context.Context, n int, stack []uint64) {
	b := &i.template.module.component.plan.Builtins[n]
	i.pay(costLeast)
	if i.parts.locked[b.Instance] && b.Kind != binary.ResourceRep {
		panic(abi.Trap("cannot leave component instance: it is making room or cleaning up"))
	}
	table := &i.parts.tables[b.Instance]
	var err error
	switch b.Kind {
	case binary.Lower:
		err = i.lowered(ctx, n, b, stack)
	case binary.ResourceNew:
		var n uint32
		n, err = table.Own(b.Resource, abi.Rep{N: uint32(stack[0])})
		stack[0] = uint64(n)
	case binary.ResourceRep:
		var rep abi.Rep
		rep, err = table.Rep(b.Resource, uint32(stack[0]))
		stack[0] = uint64(rep.N)
	case binary.ResourceDrop:
		err = i.drop(ctx, b, uint32(stack[0]))
	}
	if err != nil {
		if i.parts.failed == nil {
			i.parts.failed = err
		}
		panic(errUnwound)
	}
}

// errUnwound unwinds a guest for what composite.failed says. The engine adds its trace to the text of an error at each
// of the calls within calls, which may be hundreds.
var errUnwound = errors.New("unwound")

// drop gives a handle up. What it owned is destroyed.
func (i *Instance) drop(ctx context.Context, b *plan.Builtin, index uint32) error {
	rep, owned, err := i.parts.tables[b.Instance].Drop(b.Resource, index)
	switch {
	case err != nil || !owned:
		return err
	case b.Resource.Owner < 0:
		dropped(rep)
	case b.Destructor != nil:
		stack := [1]uint64{uint64(rep.N)}
		return i.callCore(ctx, i.parts.entry(b.Destructor), stack[:])
	}
	return nil
}

// lowered carries a call from a core module to the function that it was lowered from.
func (i *Instance) lowered(ctx context.Context, n int, b *plan.Builtin, stack []uint64) error {
	f, t := b.Func, b.Func.Type
	from := i.parts.callers[n]
	if from == nil {
		from = i.side(&b.Options, b.Instance)
		i.parts.callers[n] = from
	}
	c := i.cross(ctx, from, true)
	defer c.leave()
	have := i.template.module.component.provided[n] // nil: another guest has it
	c.lifter.Forward, c.lifter.Lend = f.Lift != nil, have != nil && have.Lent
	c.lifter.Brief = have == nil || have.Lent
	values, err := c.lifter.Params(stack, t)
	if err != nil {
		return err
	}
	var result any
	switch {
	case f.Lift != nil && f.Lift.Instance == b.Instance:
		err = abi.Trap("cannot enter component instance: it calls itself")
	case f.Lift != nil:
		result, err = i.call(ctx, f, values, &c.room)
	case have != nil:
		result, err = i.callHost(ctx, have, values)
	default:
		result, err = i.callOther(ctx, f.Import, values, &c.room)
	}
	if end := c.call.End(); err == nil {
		err = end
	}
	if err != nil {
		return err
	}
	var where uint32
	if t.SpillsResult() {
		where = uint32(stack[len(b.Signature.Params)-1])
	}
	core, err := c.lowerer.Result(result, t, where)
	copy(stack, core)
	return err
}

// callHost calls a function of the host.
func (i *Instance) callHost(ctx context.Context, have *face.Func, values []any) (any, error) {
	if have.Varies {
		i.clock.asked = true
	}
	if have.Commits {
		i.parts.committed = true
	}
	if have.Cost > face.Little {
		i.pay(costWait)
		i.turn.Give()
	}
	if have.Cost == face.Much {
		defer i.rest()()
	}
	i.parts.host.Context = ctx
	i.parts.results.Reset()
	result, err := have.Call(&i.parts.host, values)
	if err != nil && ctx.Err() != nil {
		return nil, errStopped
	}
	return result, err
}

// call calls a function that a core module implements. The result takes from the caller's room; nil: it is not bounded
// after the call. It is good until the instance calls something else.
func (i *Instance) call(ctx context.Context, f *plan.Func, values []any, caller *grant) (result any, err error) {
	l, t := f.Lift, f.Type
	if i.parts.entered[l.Instance] {
		return nil, abi.Trap("cannot enter component instance: it is running")
	}
	i.parts.entered[l.Instance] = true
	defer func() { i.parts.entered[l.Instance] = false }()
	to := i.parts.callees[l]
	if to == nil {
		to = i.side(&l.Options, l.Instance)
		to.core = i.parts.entry(&l.Core)
		i.parts.callees[l] = to
	}
	c := i.cross(ctx, to, false)
	defer c.leave()
	core, err := c.lowerer.Params(values, t)
	if err != nil {
		return nil, err
	}
	stack := c.core[:max(len(core), len(t.Lifted().Results))]
	if err = i.callCore(ctx, to.core, stack); err != nil {
		return nil, err
	}
	room := caller
	if room == nil {
		room = &c.room
	}
	c.lifter.Forward, c.lifter.Grant = room.forward, room.asked()
	result, err = c.lifter.Result(stack, t)
	c.lifter.Grant = c.room.asked()
	if err != nil {
		return nil, err
	}
	if after := l.Options.PostReturn; after != nil {
		if err = i.callLocked(ctx, to, i.parts.entry(after), stack[:max(1, len(t.Lifted().Results))]); err != nil {
			return nil, err
		}
	}
	return result, c.call.End()
}
