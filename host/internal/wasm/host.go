package wasm

import (
	"context"

	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Source says where a text that a guest emits comes from.
type Source string

// The sources of guest output.
const (
	Console Source = "console" // __console_log
	Stdout  Source = "stdout"  // one line without its end
	Stderr  Source = "stderr"  // one line without its end
)

// Host is what an instance wants from its surroundings. Its methods are called on the goroutine that called the
// instance, or before that call returns on others, where a component makes calls at the same time. One Host may serve
// many instances. So they must be safe for concurrent use. The context is the one of the call or made from it, with the
// values given there, and it ends when the call must.
type Host interface {
	// HostCall performs an outbound call. In the place of a contract may be the name of an actor. It must return when
	// ctx ends. The payload is its to keep. An error goes to the guest as its text. beside are the bodies that travel
	// with the call; nil: none. Whom it reaches may not take them: then the answer is a plain one, and a body is an
	// error; see Streams.
	HostCall(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
		payload []byte, beside *stream.Caller) ([]byte, error)
	// Streams reports whether such a call would reach somebody who is known to take a body beside it.
	Streams(link lattice.LinkName, contract lattice.ContractID) bool
	// Reserve makes room for a response of so many bytes before the host has it in memory. ctx is the call's. An error
	// ends the call.
	Reserve(ctx context.Context, bytes int) error
	// Spent takes the fuel that was spent (see Limits.Fuel): once after each call, initialisation and restoring,
	// whether it went well or not, when its guest code has ended.
	Spent(fuel uint64)
	// Log takes a text that the guest emits, at most 16 KiB of it, not necessarily UTF-8. It must not block.
	Log(ctx context.Context, source Source, text string)
}
