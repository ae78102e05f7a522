// Package face is what an interface is that the host provides to components: functions, found by their interface and
// name, with their types. The interfaces themselves are in the folders of package wasi, one for each family.
//
// Values are those of package abi.
package face

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// Func is a function that the host provides.
type Func struct {
	// Cost is what a call costs beside its bytes: Little, Medium or Much.
	Cost Cost
	// Varies says that two instances which call it get different answers, so that one cannot begin as the copy of one
	// that has called it: random numbers, the time. So it is with what asks: see State.Ask.
	Varies bool
	// Commits says that a call of the guest which has called it cannot be made once more by another instance: it has
	// taken from the request, or begun the answer. So it is with what asks.
	Commits bool
	// Lent says that the function keeps none of its arguments but objects: bytes and texts may be the guest's own
	// memory, and the place of a value is that of another one afterwards.
	Lent bool
	Call func(c *Call, args []any) (any, error)
}

// Cost says how much a function does.
type Cost byte

// The costs of functions.
const (
	Little Cost = iota // a look at something
	Medium             // a timer, another goroutine or a line of the log
	Much               // a call of something else
)

// Call is one call of a function. It and the arguments are the function's until it returns.
type Call struct {
	Context context.Context // ends when the guest's call must
	State   *State
	// Pay takes fuel for bytes that are copied or looked at. It does not return when the guest's call has ended.
	Pay func(bytes int)
	// Boxes are for the result, which is read before the next call; nil: what is made of it lasts.
	Boxes *abi.Boxes
}

// Good is Good, for a result that is read before the next call.
func (c *Call) Good(v any) any { return c.some(0, v) }

// Some is Some, for a result that is read before the next call.
func (c *Call) Some(v any) any { return c.some(1, v) }

func (c *Call) some(n uint32, v any) any {
	if c.Boxes == nil {
		return abi.Variant{Case: n, Value: v}
	}
	return c.Boxes.Variant(abi.Variant{Case: n, Value: v})
}

// Text is a text, for a result that is read before the next call.
func (c *Call) Text(s string) any {
	if c.Boxes == nil {
		return s
	}
	return c.Boxes.Text(s)
}

// Bytes are bytes, for a result that is read before the next call.
func (c *Call) Bytes(b []byte) any {
	if c.Boxes == nil {
		return b
	}
	return c.Boxes.Bytes(b)
}

// Lent makes a function that keeps none of its arguments: see Func.Lent.
func Lent(f Func) Func {
	f.Lent = true
	return f
}

// State is what one instance of a component has of the host. It is used by one goroutine at a time.
type State struct {
	Environ  [][2]string
	Args     []string
	In       []byte    // standard input that is not read yet
	Out, Err Sink      // standard output and error
	Begin    time.Time // what the monotonic clock counts from
	// Ask makes a call to whom the actor is linked with for a contract, as a module's host call does: with the actor's
	// claims and policy, within the limits of its calls, while others have its turn. Errors are for the guest. It does
	// not return when the guest's own call has ended. What it returns is readable until the next call.
	Ask func(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
		payload []byte) ([]byte, error)
	// Send makes a call as Ask does, and goes on at once. The call ends with the guest's own at the latest. beside are
	// the bodies that travel with it; nil: none. Where whom it reaches takes none, the answer is a plain one.
	Send func(ctx context.Context, to *Sent, link lattice.LinkName, contract lattice.ContractID, operation string,
		payload []byte, beside *stream.Caller)
	// Streams reports whether whom the actor is linked with is known to take a body beside a call.
	Streams func(link lattice.LinkName, contract lattice.ContractID) bool
	Warn    func(ctx context.Context, text string) // takes a line for the actor's log
	// Contract is the contract by which calls of an interface go out, which is named without its version.
	Contract func(face string) lattice.ContractID
	// Rest says that a function is about to wait. Others have the guest's turn meanwhile, and what the guest has
	// written goes out. The function that it returns says that the wait is over; nil: there is nothing to rest from.
	Rest func() (resume func())

	resting []*func() // what OnRest was given

	warned   bool
	links    map[string]lattice.LinkName // that the guest has chosen, by interface without its version
	expected map[string]string           // to whom those links led, if that was asked for

	held int // bytes that objects of the host hold for the guest
}

// WarnOnce is Warn, the first time for an instance.
func (s *State) WarnOnce(ctx context.Context, text string) {
	if !s.warned {
		s.warned = true
		s.Warn(ctx, text)
	}
}

// OnRest lets f be called, once, when the guest waits next; forget takes that back.
func (s *State) OnRest(f func()) (forget func()) {
	entry := &f
	s.resting = append(s.resting, entry)
	return func() {
		if i := slices.Index(s.resting, entry); i >= 0 {
			s.resting = slices.Delete(s.resting, i, i+1)
		}
	}
}

// Resting calls what OnRest was given.
func (s *State) Resting() {
	for len(s.resting) > 0 {
		f := s.resting[0]
		s.resting = s.resting[1:]
		(*f)()
	}
}

// MaxLinks is for how many interfaces a guest may choose a link.
const MaxLinks = 1000

// SetLink chooses the link name of later calls of an interface, within the guest's own call. The interface is named
// without its version. It reports whether that could be kept.
func (s *State) SetLink(face string, link lattice.LinkName) bool {
	if s.links == nil {
		s.links = map[string]lattice.LinkName{}
	}
	if _, has := s.links[face]; !has && len(s.links) >= MaxLinks {
		return false
	}
	s.links[face] = link
	delete(s.expected, face)
	return true
}

// Forget begins another call of the guest: what one has chosen, or has not sent, is nothing to the next.
func (s *State) Forget() {
	s.resting = nil
	clear(s.links)
	clear(s.expected)
}

// Expect remembers whom the link of an interface led to when the guest chose it.
func (s *State) Expect(face, target string) {
	if s.expected == nil {
		s.expected = map[string]string{}
	}
	if _, chosen := s.links[face]; chosen { // which bounds them
		s.expected[face] = target
	}
}

// Expected is the public key of Expect, or "".
func (s *State) Expected(face string) string { return s.expected[face] }

// Link is the link name of calls of an interface: that of SetLink, or lattice.DefaultLink.
func (s *State) Link(face string) lattice.LinkName { return s.links[face].OrDefault() }

// Reset makes the state that of an instance that begins with a snapshot.
func (s *State) Reset() { s.held = 0 }

// MaxHeld is how many bytes objects of the host hold for one instance: headers, and bodies that are not sent yet.
const MaxHeld = 4 << 20

// Hold takes room for so many bytes, or reports that there is none.
func (s *State) Hold(bytes int) bool {
	if s.held+bytes > MaxHeld {
		return false
	}
	s.held += bytes
	return true
}

// Release gives room back that Hold took.
func (s *State) Release(bytes int) { s.held -= bytes }

// Held is how many bytes are held.
func (s *State) Held() int { return s.held }

// Wait waits for something, on behalf of a guest.
func (c *Call) Wait(wait func() error) error {
	if c.State != nil && c.State.Rest != nil {
		defer c.State.Rest()()
	}
	return wait()
}

// Sink takes what a guest writes. It waits while there is no room, and returns an error when nobody reads any more.
type Sink func(ctx context.Context, b []byte) error

// Exit is the error of a guest that ends itself.
type Exit struct {
	OK   bool
	Code uint8
}

// ExitWith makes an Exit.
func ExitWith(code uint8) *Exit { return &Exit{OK: code == 0, Code: code} }

func (e *Exit) Error() string {
	if e.OK {
		return "the guest exited"
	}
	return "the guest exited with an error"
}

// Standing is a part of objects of which each instance may have one that is like those of the others. Like makes it;
// nil: the object is of one instance alone, and an instance that has a handle of it cannot be copied.
type Standing struct{ Like func(*State) any }

// LikeFor is the object for another instance, or nil.
func (s Standing) LikeFor(other *State) any {
	if s.Like == nil {
		return nil
	}
	return s.Like(other)
}

// Dropped is what objects of the host implement that want to know when no handle is left.
type Dropped interface{ Drop() }

// None is the option that has no value, an abi.Variant.
var None = abi.Case(0)

// Some is the option that has one.
func Some(v any) any { return abi.Variant{Case: 1, Value: v} }

// Good is the result of what went well; v is nil where the type has no value.
func Good(v any) any {
	if v == nil {
		return abi.Case(0)
	}
	return abi.Variant{Value: v}
}

// Bad is the result of what failed.
func Bad(v any) any {
	if v == nil {
		return abi.Case(1)
	}
	return abi.Variant{Case: 1, Value: v}
}

// MaxTold is how many bytes of an error a guest is told.
const MaxTold = 4 << 10

// Told is what a guest is told of an error: UTF-8 of at most MaxTold bytes.
func Told(err error) string { return clip.Text(err.Error(), MaxTold) }

// Constant is a function that answers one thing.
func Constant(v any) Func {
	return Func{Call: func(*Call, []any) (any, error) { return v, nil }}
}

// Join is all functions of an interface that is written in parts.
func Join(parts ...map[string]Func) map[string]Func {
	all := map[string]Func{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

// Object is the host's object behind a handle.
func Object[T any](v any) T { return v.(T) }

// Rep is an object, which is a pointer, for a handle.
func Rep(o any) any { return o }

// Method makes a Func of one whose first argument is an object.
func Method[T any](cost Cost, f func(c *Call, self T, args []any) (any, error)) Func {
	return Func{Cost: cost, Call: func(c *Call, args []any) (any, error) { return f(c, Object[T](args[0]), args[1:]) }}
}
