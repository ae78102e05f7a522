package actor

import (
	"github.com/weftlattice/weft/actor-sdk/internal/guest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/core"
)

// Handle makes fn the handler of an operation, named "Service.Method". What fn gets and returns is the payload as it
// travels: msgpack in the contracts of the lattice, see package lattice/msgpack. Call it from init. To handle an
// operation twice is a mistake that panics.
func Handle(operation string, fn func(payload []byte) ([]byte, error)) {
	if guest.Handles(operation) {
		panic("actor: two handlers for the operation " + operation)
	}
	guest.Handle(operation, fn)
}

// HandleHealth makes fn decide whether the actor is healthy; its error is the reason why it is not. Without it the
// actor always is.
func HandleHealth(fn func() error) {
	guest.Handle(core.HealthRequest, func([]byte) ([]byte, error) {
		h := core.Health{Healthy: true}
		if err := fn(); err != nil {
			h = core.Health{Message: err.Error()}
		}
		return h.Encode(), nil
	})
}

// Call invokes an operation of another actor, named by its public key ("M...") or its call alias ("shop/cart"), and
// returns its answer. A failure is a *lattice.Error with the text that the host or the other actor gave.
func Call(target, operation string, payload []byte) ([]byte, error) {
	return guest.Call(guest.Request{Namespace: target, Operation: operation, Payload: payload})
}

// CallProvider invokes an operation of the provider that a link binds to a contract such as "wasmcloud:keyvalue"; link
// may be empty for the default one. Contracts with a client of their own, such as package keyvalue, need no call of
// this. A failure is a *lattice.Error with the text that the host or the provider gave.
func CallProvider(contract lattice.ContractID, link lattice.LinkName, operation string,
	payload []byte) ([]byte, error) {
	if link == "" {
		link = lattice.DefaultLink
	}
	return guest.Call(guest.Request{Link: link, Namespace: string(contract), Operation: operation, Payload: payload})
}

// Console writes diagnostic text to the host. It needs no claim; prefer package log, which has levels.
func Console(text string) { guest.Console(text) }
