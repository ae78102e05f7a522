// Package clocks is wasi:clocks.
package clocks

import (
	"time"

	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
)

// Family is all of wasi:clocks.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:clocks/monotonic-clock@0.2": monotonicClock,
	"wasi:clocks/wall-clock@0.2":      wallClock,
}}

var monotonicClock = map[string]face.Func{
	"now": {Varies: true, Call: func(c *face.Call, _ []any) (any, error) {
		return uint64(time.Since(c.State.Begin)), nil
	}},
	"resolution": face.Constant(uint64(1)),
	"subscribe-instant": {Cost: face.Medium, Call: func(c *face.Call, args []any) (any, error) {
		return face.Rep(&wasiio.Pollable{At: c.State.Begin.Add(clamp(args[0].(uint64)))}), nil
	}},
	"subscribe-duration": {Cost: face.Medium, Call: func(_ *face.Call, args []any) (any, error) {
		return face.Rep(&wasiio.Pollable{At: time.Now().Add(clamp(args[0].(uint64)))}), nil
	}},
}

// clamp makes a duration of nanoseconds, of a century at most.
func clamp(n uint64) time.Duration { return time.Duration(min(n, 100*365*24*uint64(time.Hour))) }

func wall(t time.Time) []any { return []any{uint64(t.Unix()), uint32(t.Nanosecond())} }

var wallClock = map[string]face.Func{
	"now": {Varies: true, Call: func(c *face.Call, _ []any) (any, error) {
		return wall(time.Now()), nil
	}},
	"resolution": face.Constant([]any{uint64(0), uint32(1)}),
}
