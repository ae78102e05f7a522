package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
)

// Flags of a Context. Others are dropped, as the standard wants.
const (
	Sampled = 0x01 // somebody records this trace
	Random  = 0x02 // the trace id is random as a whole
)

// The headers of W3C Trace Context, as they are spelt in messages.
const (
	ParentHeader = "traceparent"
	StateHeader  = "tracestate"
)

// MaxState is the longest tracestate that is carried, in bytes. A longer one is dropped; the trace goes on without it.
const MaxState = 512

// Context is a place in a trace. The zero value is none; see IsValid.
type Context struct {
	TraceID [16]byte
	SpanID  [8]byte
	Flags   byte
	State   string // tracestate, passed on as it came
}

// New begins a trace that is sampled.
func New() Context {
	var c Context
	for c.TraceID == [16]byte{} {
		binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64())
		binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64())
	}
	c.SpanID = newSpan()
	c.Flags = Sampled | Random
	return c
}

// Child returns a context of the same trace with a span of its own; of an invalid context, a new trace.
func (c Context) Child() Context {
	if !c.IsValid() {
		return New()
	}
	c.SpanID = newSpan()
	return c
}

// IsValid reports whether the context names a trace and a span.
func (c Context) IsValid() bool { return c.TraceID != [16]byte{} && c.SpanID != [8]byte{} }

// Traceparent returns the context as "00-{trace}-{span}-{flags}", "" when it is not valid.
func (c Context) Traceparent() string {
	if !c.IsValid() {
		return ""
	}
	b := make([]byte, 0, parentLen)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.TraceID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.SpanID[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, []byte{c.Flags & (Sampled | Random)})
	return string(b)
}

const parentLen = 55

// Parse reads the two texts. It reports false when traceparent names no trace: malformed, of version ff, or with an id
// of zeros. Later versions than 00 are read as far as they are known. A malformed or overlong tracestate is dropped.
func Parse(traceparent, tracestate string) (Context, bool) {
	s := strings.TrimSpace(traceparent)
	if len(s) < parentLen || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Context{}, false
	}
	if len(s) > parentLen && (s[:2] == "00" || s[parentLen] != '-') {
		return Context{}, false
	}
	var c Context
	var version, flags [1]byte
	if !lowerHex(version[:], s[:2]) || version[0] == 0xff || !lowerHex(c.TraceID[:], s[3:35]) ||
		!lowerHex(c.SpanID[:], s[36:52]) || !lowerHex(flags[:], s[53:55]) || !c.IsValid() {
		return Context{}, false
	}
	c.Flags = flags[0] & (Sampled | Random)
	if validState(tracestate) {
		c.State = tracestate
	}
	return c, true
}

type key struct{}

// With returns a context that carries c.
func With(ctx context.Context, c Context) context.Context { return context.WithValue(ctx, key{}, c) }

// IsKey reports whether key is the one under which With keeps its Context, for contexts that carry one by themselves:
// their Value then returns a Context.
func IsKey(k any) bool {
	_, ok := k.(key)
	return ok
}

// From returns what With stored.
func From(ctx context.Context) (Context, bool) {
	c, ok := ctx.Value(key{}).(Context)
	return c, ok
}

func newSpan() (id [8]byte) {
	for id == [8]byte{} {
		binary.BigEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// lowerHex decodes s, which has twice the length of dst. Upper case is refused.
func lowerHex(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
