package actors

import (
	"context"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/typed"
)

// Guest is the code of a revision, ready to run: a compiled module or component with its limits. The engine tells those
// two apart; another kind of guest implements this interface and is chosen in Actors.compile.
type Guest interface {
	// Instantiate makes an instance that is ready for a call.
	Instantiate(ctx context.Context) (Instance, error)
	// Anew says why instances cannot be brought back to how they began, so that each initialises itself; "" when they
	// can.
	Anew() string
	// Surface is what it exports for others and imports from others, with types; nothing of what has none.
	Surface() typed.Surface
	// Fresh says whether each call gets an instance as it began, where an operator does not choose.
	Fresh() bool
	// Single says why an instance serves one call alone, as was found out meanwhile; "" when it serves many.
	Single() string
	// Streams reports whether instances read requests, and write answers, as streams; see stream.Offer.
	Streams() bool
	// Interrupt ends the calls that are in progress, within milliseconds.
	Interrupt()
	// Close frees the code. All instances are closed by then.
	Close(ctx context.Context) error
}

// Instance is one instance of a guest. It serves one call at a time. The pool keeps it between calls.
type Instance interface {
	// Call has the guest serve an operation. After an error the instance may be unhealthy.
	Call(ctx context.Context, operation string, payload []byte) ([]byte, error)
	Healthy() bool       // false: not to be used again
	MemoryBytes() uint64 // in use, as of the last call
	// Restore brings the instance back to how it began. After an error it is not to be used again.
	Restore(ctx context.Context) error
	Close(ctx context.Context) error
}

// compile makes a guest of a module's code. This is where the kind of guest is chosen, by what the code is.
func (as *Actors) compile(ctx context.Context, code []byte, settings Settings, host wasm.Host) (Guest, error) {
	module, err := as.cfg.Engine.Compile(ctx, code)
	if err != nil {
		return nil, err
	}
	return wapcGuest{module, module.Template(settings.Limits, host, settings.Config)}, nil
}

// wapcGuest is WebAssembly that serves the operations of waPC's contracts: a module that speaks waPC, or a component.
type wapcGuest struct {
	module   *wasm.Module
	template *wasm.Template
}

func (g wapcGuest) Instantiate(ctx context.Context) (Instance, error) {
	i, err := g.template.Instantiate(ctx)
	if err != nil { // no nil *wasm.Instance in an interface
		return nil, err
	}
	return i, nil
}

func (g wapcGuest) Anew() string { return g.template.Anew() }

// Fresh is what users of components expect, and users of modules do not.
func (g wapcGuest) Fresh() bool { return g.module.Info().Kind == wasm.Component }

func (g wapcGuest) Single() string { return g.template.Single() }

func (g wapcGuest) Surface() typed.Surface { return g.module.Info().Surface }

func (g wapcGuest) Streams() bool { return g.module.Streams() }

func (g wapcGuest) Interrupt() { g.template.Interrupt() }

func (g wapcGuest) Close(ctx context.Context) error {
	g.template.Close()
	return g.module.Close(ctx)
}
