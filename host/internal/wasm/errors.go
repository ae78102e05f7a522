package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
)

// errStopped unwinds a guest whose call has ended while it waited in the host.
var errStopped = errors.New("stopped")

// explain finds out why a guest ended; expired says that the instance's own limit of time ended the call.
func (i *Instance) explain(ctx context.Context, op string, err error, expired bool) *lattice.Error {
	e := &lattice.Error{Op: op}
	reason := firstLine(err.Error())
	var ours *lattice.Error
	var exit *sys.ExitError
	var fault runtime.Error
	// The order is that of causes: what the host itself panicked with, why the host raised the flag, what the guest may
	// have died of, the engine's word. A guest that was stopped traps with "unreachable", and one that was refused
	// memory may trap with anything.
	switch {
	case errors.As(err, &ours):
		e.Code, e.Detail, e.Err = ours.Code, ours.Detail, ours.Err
	case i.deep != nil:
		e.Code, e.Err = lattice.ErrStack, i.deep
	case ctx.Err() != nil && (errors.Is(err, errStopped) || reason == "unreachable"):
		e.Code, e.Detail = i.stopped(ctx, expired)
	case i.meter.over():
		e.Code, e.Detail = lattice.ErrFuel, fmt.Sprintf("more than %d units spent", i.template.limits.Fuel)
	case reason == "stack overflow":
		e.Code, e.Detail = lattice.ErrStack, i.said()
	case i.account.refused:
		e.Code = lattice.ErrMemory
		e.Detail = fmt.Sprintf("%d bytes in use, more refused, limit %d", i.account.size,
			i.template.limits.MemoryBytes)
		if i.account.short != nil {
			e.Detail = fmt.Sprintf("%d bytes in use, more refused: %v", i.account.size, i.account.short)
		}
	case errors.As(err, &exit):
		e.Code, e.Detail = lattice.ErrTrap, join(fmt.Sprintf("the guest exited with code %d", exit.ExitCode()),
			i.said())
	case errors.As(err, &fault):
		e.Code, e.Detail = lattice.ErrInternal, join("in a function of the host", reason)
	default:
		e.Code, e.Detail = lattice.ErrTrap, join(join(reason, topFrame(err.Error())), i.said())
	}
	if e.Code == lattice.ErrTrap && i.exchange.guestError != "" {
		// It said what is wrong, and trapped so as not to go on, as AssemblyScript's SDK does. Its log has not heard of
		// it yet.
		e.Detail = i.exchange.guestError + " (" + e.Detail + ")"
		i.template.host.Log(ctx, Stderr, clip.Text(i.exchange.guestError, maxLogBytes))
	}
	return e
}

// stopped tells whose deadline it was.
func (i *Instance) stopped(ctx context.Context, expired bool) (lattice.Code, string) {
	switch {
	case expired:
		return lattice.ErrInterrupted, fmt.Sprintf("stopped after %v", i.template.limits.Execution)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return lattice.ErrTimeout, "stopped at the caller's deadline"
	}
	return lattice.ErrCanceled, "stopped"
}

// exitedWell reports whether err is nothing but proc_exit(0).
func exitedWell(err error) bool {
	var exit *sys.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 0
}

// said is what the guest wrote to stderr during the call, cut short: a panic's text.
func (i *Instance) said() string { return i.stderr.first() }

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ": " + b
}

// firstLine returns the engine's reason without its preface and stack trace.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(strings.TrimPrefix(s, "wasm error: "), " (recovered by wazero)")
}

// topFrame returns the function that trapped.
func topFrame(s string) string {
	_, trace, ok := strings.Cut(s, "wasm stack trace:\n\t")
	if !ok {
		return ""
	}
	frame, _, _ := strings.Cut(trace, "\n")
	return "in " + clip.Text(strings.TrimSpace(frame), 256)
}
