package wasi

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
)

var cliEnvironment = map[string]Func{
	"get-environment": {Little, func(c *Call, _ []any) (any, error) {
		all := make([]any, len(c.State.Environ))
		for i, e := range c.State.Environ {
			all[i] = []any{e[0], e[1]}
		}
		return all, nil
	}},
	"get-arguments": {Little, func(c *Call, _ []any) (any, error) {
		all := make([]any, len(c.State.Args))
		for i, a := range c.State.Args {
			all[i] = a
		}
		return all, nil
	}},
	"initial-cwd": constant(none),
}

var cliExit = map[string]Func{
	"exit": {Little, func(_ *Call, args []any) (any, error) { return nil, &Exit{args[0].(abi.Variant).Case == 0} }},
	"exit-with-code": {Little, func(_ *Call, args []any) (any, error) {
		return nil, &Exit{args[0].(uint8) == 0}
	}},
}

var cliStdin = map[string]Func{
	"get-stdin": {Little, func(*Call, []any) (any, error) {
		return rep(&input{next: func(context.Context, int, bool) ([]byte, error) { return nil, io.EOF }}), nil
	}},
}

var cliStdout = map[string]Func{
	"get-stdout": {Little, func(c *Call, _ []any) (any, error) { return rep(&output{sink: c.State.Out}), nil }},
}

var cliStderr = map[string]Func{
	"get-stderr": {Little, func(c *Call, _ []any) (any, error) { return rep(&output{sink: c.State.Err}), nil }},
}

var monotonicClock = map[string]Func{
	"now": {Little, func(c *Call, _ []any) (any, error) {
		return uint64(time.Since(c.State.Begin)), nil
	}},
	"resolution": constant(uint64(1)),
	"subscribe-instant": {Some, func(c *Call, args []any) (any, error) {
		return rep(&pollable{at: c.State.Begin.Add(clamp(args[0].(uint64)))}), nil
	}},
	"subscribe-duration": {Some, func(_ *Call, args []any) (any, error) {
		return rep(&pollable{at: time.Now().Add(clamp(args[0].(uint64)))}), nil
	}},
}

// clamp makes a duration of nanoseconds, of a century at most.
func clamp(n uint64) time.Duration { return time.Duration(min(n, 100*365*24*uint64(time.Hour))) }

func wall(t time.Time) []any { return []any{uint64(t.Unix()), uint32(t.Nanosecond())} }

var wallClock = map[string]Func{
	"now": {Little, func(c *Call, _ []any) (any, error) {
		return wall(time.Now()), nil
	}},
	"resolution": constant([]any{uint64(0), uint32(1)}),
}

// maxRandom is how many random bytes one call gives.
const maxRandom = 1 << 20

func randomBytes(c *Call, args []any) (any, error) {
	n := args[0].(uint64)
	if n > maxRandom {
		return nil, abi.Trap("%d random bytes at once, %d allowed", n, maxRandom)
	}
	c.Pay(32 * int(n)) // they are dear
	b := make([]byte, n)
	_, _ = cryptorand.Read(b) // it does not fail
	return b, nil
}

func randomNumber(c *Call, _ []any) (any, error) {
	var b [8]byte
	_, _ = cryptorand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]), nil
}

var random = map[string]Func{"get-random-bytes": {Little, randomBytes}, "get-random-u64": {Little, randomNumber}}

var insecure = map[string]Func{"get-insecure-random-bytes": {Little, randomBytes}, "get-insecure-random-u64": {Little,
	randomNumber}}

var insecureSeed = map[string]Func{
	"insecure-seed": {Little, func(c *Call, _ []any) (any, error) {
		return []any{rand.Uint64(), rand.Uint64()}, nil
	}},
}

// filesystem: there are no directories, so that no descriptor exists whose methods could be called.
var filesystem = map[string]Func{
	"filesystem-error-code": constant(none),
}
