// Package wasi is the functions of WASI 0.2 that components import: io, clocks, random, cli and http, and what
// adapters ask of filesystem and sockets, which guests do not have here.
//
// A function is found by its interface and name. One implementation serves every 0.2 version of an interface, since
// what a version added is more functions (see Find). Values are those of package abi.
//
// Adding an interface is adding a file with its functions, and a line in interfaces.
package wasi

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
)

// Func is a function that the host provides.
type Func struct {
	// Cost is what a call costs beside its bytes: Little, Some or Much.
	Cost Cost
	Call func(c *Call, args []any) (any, error)
}

// Cost says how much a function does.
type Cost byte

// The costs of functions.
const (
	Little Cost = iota // a look at something
	Some               // a timer, another goroutine or a line of the log
	Much               // a call of something else
)

// Call is one call of a function.
type Call struct {
	Context context.Context // ends when the guest's call must
	State   *State
	// Pay takes fuel for bytes that are copied or looked at. It does not return when the guest's call has ended.
	Pay func(bytes int)
}

// State is what one instance of a component has of the host. It is used by one goroutine at a time.
type State struct {
	Environ  [][2]string
	Args     []string
	Out, Err Sink      // standard output and error
	Begin    time.Time // what the monotonic clock counts from

	held int // bytes that objects of the host hold for the guest
}

// maxHeld is how many bytes objects of the host hold for one instance: headers, and bodies that are not sent yet.
const maxHeld = 4 << 20

// hold takes room for so many bytes, or reports that there is none.
func (s *State) hold(bytes int) bool {
	if s.held+bytes > maxHeld {
		return false
	}
	s.held += bytes
	return true
}

func (s *State) release(bytes int) { s.held -= bytes }

// Sink takes what a guest writes. It waits while there is no room, and returns an error when nobody reads any more.
type Sink func(ctx context.Context, b []byte) error

// Exit is the error of a guest that ends itself.
type Exit struct{ OK bool }

func (e *Exit) Error() string {
	if e.OK {
		return "the guest exited"
	}
	return "the guest exited with an error"
}

// Dropped is what objects of the host implement that want to know when no handle is left.
type Dropped interface{ Drop() }

// Find returns a function, or nil. The version of face is ignored within 0.2. What belongs to a file or a socket is
// there, and traps: no guest can have what it would be called with.
func Find(face, name string) *Func {
	track, ok := Track(face)
	if !ok || interfaces[track] == nil || shapes()[track+"#"+name] == "" {
		return nil
	}
	f, ok := interfaces[track][name]
	if !ok {
		f = absent(track + "#" + name)
	}
	return &f
}

// Track returns an interface's name without its version, when that is a released 0.2.
func Track(face string) (string, bool) {
	name, version, _ := strings.Cut(face, "@")
	return name, version == "0.2" || strings.HasPrefix(version, "0.2.") && !strings.Contains(version, "-")
}

// interfaces are all that there is.
var interfaces = map[string]map[string]Func{
	"wasi:io/error":                  ioError,
	"wasi:io/poll":                   ioPoll,
	"wasi:io/streams":                ioStreams,
	"wasi:clocks/monotonic-clock":    monotonicClock,
	"wasi:clocks/wall-clock":         wallClock,
	"wasi:random/random":             random,
	"wasi:random/insecure":           insecure,
	"wasi:random/insecure-seed":      insecureSeed,
	"wasi:cli/environment":           cliEnvironment,
	"wasi:cli/exit":                  cliExit,
	"wasi:cli/stdin":                 cliStdin,
	"wasi:cli/stdout":                cliStdout,
	"wasi:cli/stderr":                cliStderr,
	"wasi:cli/terminal-input":        {},
	"wasi:cli/terminal-output":       {},
	"wasi:cli/terminal-stdin":        {"get-terminal-stdin": constant(none)},
	"wasi:cli/terminal-stdout":       {"get-terminal-stdout": constant(none)},
	"wasi:cli/terminal-stderr":       {"get-terminal-stderr": constant(none)},
	"wasi:filesystem/preopens":       {"get-directories": constant([]any{})},
	"wasi:filesystem/types":          filesystem,
	"wasi:sockets/instance-network":  instanceNetwork,
	"wasi:sockets/network":           {},
	"wasi:sockets/tcp":               {},
	"wasi:sockets/tcp-create-socket": createTCP,
	"wasi:sockets/udp":               {},
	"wasi:sockets/udp-create-socket": createUDP,
	"wasi:sockets/ip-name-lookup":    nameLookup,
	"wasi:http/outgoing-handler":     outgoingHandler,
	"wasi:http/types":                join(httpTypes, outgoingRequests),
}

// join is all functions of an interface that is written in parts.
func join(parts ...map[string]Func) map[string]Func {
	all := map[string]Func{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// Values of options and results.
var none = abi.Variant{}

func some(v any) abi.Variant { return abi.Variant{Case: 1, Value: v} }
func good(v any) abi.Variant { return abi.Variant{Value: v} }
func bad(v any) abi.Variant  { return abi.Variant{Case: 1, Value: v} }

// constant is a function that answers one thing.
func constant(v any) Func {
	return Func{Call: func(*Call, []any) (any, error) { return v, nil }}
}

// object is the host's object behind a handle.
func object[T any](v any) T { return v.(abi.Rep).Object.(T) }

func rep(o any) abi.Rep { return abi.Rep{Object: o} }

// method makes a Func of one whose first argument is an object.
func method[T any](cost Cost, f func(c *Call, self T, args []any) (any, error)) Func {
	return Func{cost, func(c *Call, args []any) (any, error) { return f(c, object[T](args[0]), args[1:]) }}
}
