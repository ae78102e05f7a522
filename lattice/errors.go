package lattice

import (
	"context"
	"errors"
	"strings"
)

// Code says what kind of failure an error is. A Code is itself an error, so that errors.Is(err, lattice.ErrBusy) works
// on both ends of the wire. The numbers are stable: they are never reused.
type Code uint16

// The failures of an invocation. See Code.Refusal and Code.Retryable for what a caller may do about one.
const (
	ErrInternal    Code = 1 // a fault of weft itself; the log has more
	ErrInvalid     Code = 2 // the input is malformed; the error names it
	ErrNotFound    Code = 3 // no such thing
	ErrConflict    Code = 4 // it exists already, or contradicts what exists
	ErrCanceled    Code = 5 // the caller gave up
	ErrUnavailable Code = 6 // what the target depends on is away (database, file, disk)

	ErrGuest        Code = 10 // the actor or provider itself answered with an error
	ErrTrap         Code = 11 // the guest trapped: unreachable, division by zero, panic
	ErrStack        Code = 12 // the guest recursed too deep
	ErrMemory       Code = 13 // the guest wanted more memory than its limit
	ErrInterrupted  Code = 14 // the guest ran longer than its execution limit
	ErrBadPointer   Code = 15 // the guest handed the host a pointer outside its memory
	ErrBadModule    Code = 16 // not a module that this host can run
	ErrFuel         Code = 17 // the guest did more work than its limit
	ErrBusy         Code = 20 // no free instance and the queue is full
	ErrTimeout      Code = 21 // no answer in time
	ErrNoResponders Code = 22 // nobody serves the target now
	ErrTooLarge     Code = 23 // request or response exceeds a size limit

	ErrTokenMalformed    Code = 30 // the claims are no token
	ErrTokenExpired      Code = 31
	ErrTokenNotYetValid  Code = 32
	ErrTokenSignature    Code = 33 // altered, or signed by another key than it says
	ErrUnknownIssuer     Code = 34 // signed by a cluster that this one does not trust
	ErrHashMismatch      Code = 35 // the payload or addressing differs from what was signed
	ErrWrongTarget       Code = 36 // addressed to somebody else
	ErrUnlinked          Code = 37 // no link grants the call
	ErrMissingCapability Code = 38 // the actor's claims do not grant the contract
	ErrUnsigned          Code = 39 // a module or provider without claims
	ErrDenied            Code = 40 // policy
	ErrReplayed          Code = 41 // the same invocation came before
)

var codes = map[Code]struct{ name, text string }{
	ErrInternal:          {"internal", "internal error"},
	ErrInvalid:           {"invalid", "invalid"},
	ErrNotFound:          {"not_found", "not found"},
	ErrConflict:          {"conflict", "conflict"},
	ErrCanceled:          {"canceled", "canceled"},
	ErrUnavailable:       {"unavailable", "unavailable"},
	ErrGuest:             {"guest", "guest error"},
	ErrTrap:              {"trap", "guest trapped"},
	ErrStack:             {"stack", "guest exceeded its stack"},
	ErrMemory:            {"memory", "guest exceeded its memory limit"},
	ErrInterrupted:       {"interrupted", "guest exceeded its execution limit"},
	ErrBadPointer:        {"bad_pointer", "guest used a pointer outside its memory"},
	ErrBadModule:         {"bad_module", "module cannot be run"},
	ErrFuel:              {"fuel", "guest exceeded its fuel limit"},
	ErrBusy:              {"busy", "busy"},
	ErrTimeout:           {"timeout", "request timeout"},
	ErrNoResponders:      {"no_responders", "no responders"},
	ErrTooLarge:          {"too_large", "too large"},
	ErrTokenMalformed:    {"token_malformed", "Invocation claims malformed"},
	ErrTokenExpired:      {"token_expired", "Invocation claims token expired"},
	ErrTokenNotYetValid:  {"token_not_yet_valid", "Invocation claims token not yet valid"},
	ErrTokenSignature:    {"token_signature", "Invocation claims signature invalid"},
	ErrUnknownIssuer:     {"unknown_issuer", "Issuer of this invocation is not among the list of valid issuers"},
	ErrHashMismatch:      {"hash_mismatch", "Invocation hash does not match signed claims hash"},
	ErrWrongTarget:       {"wrong_target", "Invocation is addressed to another target"},
	ErrUnlinked:          {"unlinked", "Invocation not authorized: missing link definition"},
	ErrMissingCapability: {"missing_capability", "Invocation not authorized: missing capability claim"},
	ErrUnsigned:          {"unsigned", "No claims found in source module"},
	ErrDenied:            {"denied", "denied by policy"},
	ErrReplayed:          {"replayed", "Invocation was received before"},
}

var codeByName = func() map[string]Code {
	m := make(map[string]Code, len(codes))
	for c, t := range codes {
		m[t.name] = c
	}
	return m
}()

// Error returns the human text of the code.
func (c Code) Error() string {
	if t, ok := codes[c]; ok {
		return t.text
	}
	return "unknown error"
}

// Name returns the stable word for the code, as used in metrics, headers and JSON: "busy", "token_expired".
func (c Code) Name() string {
	if t, ok := codes[c]; ok {
		return t.name
	}
	return "unknown"
}

// ParseCode is the inverse of Name.
func ParseCode(name string) (Code, bool) {
	c, ok := codeByName[name]
	return c, ok
}

// Refusal reports whether the receiver turned the call down for reasons of trust, before any work.
func (c Code) Refusal() bool { return c >= ErrTokenMalformed && c <= ErrReplayed }

// Retryable reports whether the same call may succeed later or elsewhere and certainly has not begun.
func (c Code) Retryable() bool { return c == ErrBusy || c == ErrNoResponders }

// Error is a failure that says what was done (Op), to whom (Entity), and why. It crosses the wire as its text and its
// code's name; the other end rebuilds it with FromWire.
type Error struct {
	Code   Code
	Op     string // what was attempted, e.g. "call KeyValue.Get"; may be empty
	Entity string // on what, e.g. an id or a reference; may be empty
	Detail string // what exactly is wrong and the way out; may be empty
	Err    error  // the cause; may be nil
	Remote bool   // the other side of a call reported it
}

// Errorf-free construction is deliberate: callers fill in the struct, so that every part has its place.
func (e *Error) Error() string {
	var b strings.Builder
	for _, s := range []string{e.Op, e.Entity} {
		if s != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		}
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	switch {
	case e.Code == ErrGuest && e.Detail != "":
		b.WriteString(e.Detail) // the guest's own words need no preface
	case e.Remote && strings.Contains(e.Detail, e.Code.Error()+": "):
		b.WriteString(e.Detail) // the other side has said it, behind what it was about
	case e.Detail != "":
		b.WriteString(e.Code.Error() + ": " + e.Detail)
	case e.toldByCause():
		b.WriteString(e.Err.Error())
		return b.String()
	default:
		b.WriteString(e.Code.Error())
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// toldByCause reports whether the text of the cause says the code, too.
func (e *Error) toldByCause() bool {
	cause, ok := e.Err.(*Error) //nolint:errorlint // one that is wrapped may say anything
	return ok && cause.Code == e.Code && (e.Code != ErrGuest || cause.Detail == "")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the code of e.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// CodeOf finds the code of any error: that of the outermost Error or Code in its chain, else ErrTimeout and
// ErrCanceled for the two context errors, else ErrInternal. The code of nil is 0.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	case errors.Is(err, context.Canceled):
		return ErrCanceled
	}
	return ErrInternal
}

// FromWire rebuilds an error from the code name and the text that a receiver sent. A missing or unknown name, as
// from software other than weft, is ErrGuest.
func FromWire(codeName, text string) *Error {
	c, ok := ParseCode(codeName)
	if !ok {
		c = ErrGuest
	}
	return &Error{Code: c, Detail: strings.TrimPrefix(text, c.Error()+": "), Remote: true}
}
