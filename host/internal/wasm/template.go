package wasm

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/lattice"
)

// Template makes instances of one module that are alike: the same limits, surroundings and environment. The first one
// initialises itself. Then a snapshot of its memories, globals and handles is taken, and those that follow begin with
// that; each can be brought back to it by Instance.Restore. Whether that is possible shows Anew.
//
// A Template is safe for concurrent use. Close it after the instances.
type Template struct {
	module *Module
	limits Limits
	host   Host
	env    list         // of all instances
	pairs  [][2]string  // the same, for components
	fault  error        // why none can be made
	share  *turns.Share // of the processors

	interrupted atomic.Bool
	one         atomic.Pointer[string] // why an instance serves one call alone

	mu       sync.Mutex
	taking   bool      // the first instance is being made, or has been
	snapshot *snapshot // nil: none has been taken
	anew     string    // why none could be
	closed   bool
}

// Template returns a template; it makes nothing yet. env is what guests find in their environment; nil means nothing.
func (m *Module) Template(limits Limits, host Host, env map[string]string) *Template {
	t := &Template{module: m, limits: limits.orDefault(), host: host, anew: m.opaque, share: m.engine.turns.Share()}
	t.taking = m.opaque != "" || m.info.Kind == WASICommand
	for _, key := range slices.Sorted(maps.Keys(env)) {
		t.env = append(t.env, key+"="+env[key])
		t.pairs = append(t.pairs, [2]string{key, env[key]})
		if key == "" || strings.Contains(key, "=") || strings.Contains(key+env[key], "\x00") {
			t.fault = &lattice.Error{Code: lattice.ErrInvalid, Op: "start instance", Entity: lattice.Printable(key),
				Detail: "not a variable of the environment: a name is not empty and has no \"=\", " +
					"and neither it nor the value has a null byte"}
		}
	}
	return t
}

// Instantiate makes an instance, from the snapshot if there is one. Else it initialises it: the start function, then
// _initialize or else _start, then wapc_init. The context bounds that, as does Limits.Execution; it is not kept.
//
// # Errors
//
//   - lattice.ErrMemory: the module begins with more memory than its limit, or the system has no address space left.
//   - lattice.ErrBadModule: a data or element segment lies outside of memory or table.
//   - those of Instance.Call: the initialisation runs guest code, as does the export weft_restored.
func (t *Template) Instantiate(ctx context.Context) (*Instance, error) {
	t.mu.Lock()
	snap, first := t.snapshot, !t.taking
	t.taking = true
	if snap != nil {
		snap.hold()
	}
	// An instance takes long to make, so mu is not held. Until the first has a snapshot, others initialise themselves.
	t.mu.Unlock()
	i, err := t.new(ctx, snap)
	if first {
		t.mu.Lock()
		defer t.mu.Unlock()
		switch {
		case err != nil || t.closed:
			t.taking = false
		default:
			t.snapshot, t.anew = i.capture()
		}
	}
	return i, err
}

// Anew says why there is no snapshot, so that each instance initialises itself and none can be restored. It is empty
// when there is one, and before the first instance.
func (t *Template) Anew() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.anew
}

// Single says why an instance serves one call alone, which was found out as it served: each call then has an instance
// as it began. "": it serves many.
func (t *Template) Single() string {
	if why := t.one.Load(); why != nil {
		return *why
	}
	return ""
}

// single notes that, and tells the actor's log.
func (t *Template) single(ctx context.Context, why string) {
	if t.one.CompareAndSwap(nil, &why) {
		t.host.Log(ctx, Stderr, "each call gets an instance as it began, as with --instances fresh: "+why)
	}
}

// Close releases the snapshot when the last instance that came from it is closed. Instances go on, new ones initialise
// themselves.
func (t *Template) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.snapshot != nil {
		t.snapshot.drop()
		t.snapshot = nil
	}
}

// Interrupt ends the calls in progress of all instances with lattice.ErrCanceled, initialisations too, and all that
// follow. It does not wait for their ends, and may be called at any time.
func (t *Template) Interrupt() {
	t.interrupted.Store(true)
	for _, i := range t.module.engine.instancesOf(t) {
		i.watch.stop()
	}
}
