package invocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Handler serves a call whose origin is known. The deadline and the trace of the caller are in ctx. It is called
// concurrently. Neither inv nor its payload may be kept after it returns.
type Handler func(ctx context.Context, inv *wire.Invocation) ([]byte, error)

// Serve calls the handler. A panic of it, which is logged, ends neither the process nor other calls: it is
// lattice.ErrInternal.
func (h Handler) Serve(ctx context.Context, inv *wire.Invocation, log *slog.Logger) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("handler panicked", lattice.LogOp, inv.Operation, lattice.LogErr, p, "stack",
				string(debug.Stack()))
			err = &lattice.Error{Code: lattice.ErrInternal, Op: inv.Operation,
				Detail: "the handler panicked; its log says where"}
		}
	}()
	return h(ctx, inv)
}

// NotBegun reports whether a handler turned the call away without doing anything for it.
func NotBegun(err error) bool {
	if err == nil {
		return false
	}
	var e *lattice.Error
	return lattice.CodeOf(err).Retryable() && (!errors.As(err, &e) || !e.Remote)
}

// Text is what an error says to the caller; it is not empty.
func Text(err error) string {
	if text := err.Error(); text != "" {
		return text
	}
	return lattice.CodeOf(err).Error()
}

// AsRemote is an error as the caller of a call over NATS would get it: its code and its text are what travels.
func AsRemote(err error) error {
	if err == nil {
		return nil
	}
	return lattice.FromWire(lattice.CodeOf(err).Name(), Text(err))
}

// TooLarge is the error of a payload, "request" or "response", that is larger than what is taken.
func TooLarge(what string, bytes, limit uint64) error {
	return &lattice.Error{Code: lattice.ErrTooLarge, Detail: fmt.Sprintf("%s of %d bytes, limit %d", what, bytes,
		limit)}
}
