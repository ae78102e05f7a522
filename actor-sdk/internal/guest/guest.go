// Package guest is the boundary between an actor and its host: which operations the actor handles, and its calls out.
// In a wasip1 build it speaks the waPC ABI; elsewhere a test host takes its place.
package guest

import (
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/core"
)

// Handler answers one operation.
type Handler func(payload []byte) ([]byte, error)

var handlers = map[string]Handler{
	core.HealthRequest: func([]byte) ([]byte, error) { return core.Health{Healthy: true}.Encode(), nil },
}

// Handle makes h the handler of an operation, in place of an earlier one.
func Handle(operation string, h Handler) { handlers[operation] = h }

// Handles reports whether an operation has a handler.
func Handles(operation string) bool { return handlers[operation] != nil }

// Dispatch runs the handler of an operation. A panic of the handler becomes an error where the toolchain can recover.
func Dispatch(operation string, payload []byte) (result []byte, err error) {
	h := handlers[operation]
	if h == nil {
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: operation,
			Detail: "the actor has no handler for this operation"}
	}
	defer func() {
		if v := recover(); v != nil {
			console(stack())
			result, err = nil, &lattice.Error{Code: lattice.ErrTrap, Op: operation, Detail: "panic: " + panicText(v)}
		}
	}()
	return h(payload)
}

// Request is what an actor asks of its host.
type Request struct {
	Link      lattice.LinkName // empty: Namespace is an actor
	Namespace string           // a contract, or the key or the call alias of an actor
	Operation string
	Payload   []byte
}

// Call asks the host to invoke an operation and waits for the answer. The host's error text becomes the detail of a
// *lattice.Error whose code is lattice.ErrGuest.
func Call(r Request) ([]byte, error) {
	result, text, ok := call(r)
	if !ok {
		if text == "" {
			text = "the host gave no reason"
		}
		return nil, &lattice.Error{Code: lattice.ErrGuest, Op: r.Operation, Entity: "of " + r.Namespace,
			Detail: text, Remote: true}
	}
	return result, nil
}

// Console writes diagnostic text where the host keeps it; no claim is needed.
func Console(text string) { console(text) }

// panicText says what was panicked with, without reflection.
func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	}
	return "a value that has no text"
}
