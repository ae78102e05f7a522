// Package io is wasi:io: errors, pollables and streams.
package io

import (
	"context"
	"errors"
	goio "io"
	"reflect"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// Family is all of wasi:io.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:io/error@0.2":   ioError,
	"wasi:io/poll@0.2":    ioPoll,
	"wasi:io/streams@0.2": ioStreams,
}}

const (
	maxRead  = 64 << 10 // bytes that one read gives
	maxWrite = 64 << 10 // bytes that check-write permits
	maxPoll  = 1000     // pollables of one poll
)

// Failure is the object behind wasi:io/error.
type Failure struct{ Err error }

var ioError = map[string]face.Func{
	"[method]error.to-debug-string": face.Method(face.Little, func(_ *face.Call, f *Failure, _ []any) (any, error) {
		return face.Told(f.Err), nil
	}),
}

// Pollable is ready at some time: when its channel is closed, or at a moment, or as Await says. With none of them it is
// ready.
type Pollable struct {
	Done <-chan struct{}
	At   time.Time
	// Await is for what may become ready again and again: it returns what is closed when to look anew; nil: it is
	// ready.
	Await func() <-chan struct{}
}

func (p *Pollable) ready() bool {
	done := p.Done
	if p.Await != nil {
		if done = p.Await(); done == nil {
			return true
		}
	}
	if done != nil {
		select {
		case <-done:
			return p.Await == nil || p.Await() == nil
		default:
			return false
		}
	}
	return !time.Now().Before(p.At)
}

// await waits until one of all is ready.
func await(ctx context.Context, all []*Pollable) error {
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	var first time.Time
	for _, p := range all {
		done := p.Done
		if p.Await != nil {
			if done = p.Await(); done == nil {
				return nil
			}
		}
		switch {
		case done != nil:
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)})
		case first.IsZero() || p.At.Before(first):
			first = p.At
		}
	}
	if !first.IsZero() {
		t := time.NewTimer(time.Until(first))
		defer t.Stop()
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(t.C)})
	}
	if n, _, _ := reflect.Select(cases); n == 0 {
		return ctx.Err()
	}
	return nil
}

var ioPoll = map[string]face.Func{
	"[method]pollable.ready": face.Method(face.Little, func(_ *face.Call, p *Pollable, _ []any) (any, error) {
		return p.ready(), nil
	}),
	"[method]pollable.block": face.Method(face.Medium, func(c *face.Call, p *Pollable, _ []any) (any, error) {
		for !p.ready() {
			if err := c.Wait(func() error { return await(c.Context, []*Pollable{p}) }); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}),
	"poll": {Cost: face.Medium, Call: func(c *face.Call, args []any) (any, error) {
		reps, _ := args[0].([]any)
		switch {
		case len(reps) == 0:
			return nil, abi.Trap("poll of no pollables")
		case len(reps) > maxPoll:
			return nil, abi.Trap("poll of %d pollables, %d allowed", len(reps), maxPoll)
		}
		all := make([]*Pollable, len(reps))
		for i, r := range reps {
			all[i] = face.Object[*Pollable](r)
		}
		for {
			var ready []any
			for i, p := range all {
				if p.ready() {
					ready = append(ready, uint32(i))
				}
			}
			if len(ready) > 0 {
				return ready, nil
			}
			if err := c.Wait(func() error { return await(c.Context, all) }); err != nil {
				return nil, err
			}
		}
	}},
}

// Input is an input-stream. Next returns some bytes, or io.EOF alone at its clean end; it waits for them when wait is
// set, and returns nothing otherwise.
type Input struct {
	face.Standing
	Next  func(ctx context.Context, max int, wait bool) ([]byte, error)
	Ready func() *Pollable // nil: at once
}

// Output is an output-stream.
type Output struct {
	face.Standing
	Sink face.Sink // which does not keep the bytes
	// Room is how many bytes Sink takes without waiting, and Ready when it takes some; nil: it never waits.
	Room   func() int
	Ready  func() *Pollable
	closed bool
}

// ErrClosed is what a Sink returns when nobody takes any more, for which its guest is not to blame.
var ErrClosed = errors.New("nobody reads any more")

// Errors of streams: stream-error is last-operation-failed(error) or closed.
var streamClosed = face.Bad(abi.Variant{Case: 1})

func streamFailed(err error) any {
	return face.Bad(abi.Variant{Value: face.Rep(&Failure{err})})
}

// take takes bytes of a stream for a guest, or what it answers without any.
func (s *Input) take(c *face.Call, most uint64, wait bool) (b []byte, none any, err error) {
	n := int(min(most, maxRead))
	b, err = s.Next(c.Context, n, wait && n > 0)
	switch {
	case c.Context.Err() != nil:
		return nil, nil, c.Context.Err()
	case err == goio.EOF && len(b) == 0:
		return nil, streamClosed, nil
	case err != nil && len(b) == 0:
		return nil, streamFailed(err), nil
	}
	return b, nil, nil
}

func read(wait, skip bool) face.Func {
	return face.Lent(face.Method(face.Little, func(c *face.Call, s *Input, args []any) (any, error) {
		b, none, err := s.take(c, args[0].(uint64), wait)
		if none != nil || err != nil {
			return none, err
		}
		c.Pay(len(b))
		if skip {
			return c.Good(uint64(len(b))), nil
		}
		return c.Good(c.Bytes(b)), nil
	}))
}

// room is what check-write permits.
func (s *Output) room() uint64 {
	if s.Room == nil {
		return maxWrite
	}
	return uint64(min(maxWrite, s.Room()))
}

// write writes bytes; flush waits until they are taken, which they always are here.
func (s *Output) write(c *face.Call, b []byte) (any, error) {
	if s.closed {
		return streamClosed, nil
	}
	c.Pay(len(b))
	if err := s.Sink(c.Context, b); err != nil {
		if c.Context.Err() != nil {
			return nil, c.Context.Err()
		}
		if s.closed = true; err == ErrClosed {
			return streamClosed, nil
		}
		return streamFailed(err), nil
	}
	return face.Good(nil), nil
}

func writing(f func(c *face.Call, s *Output, args []any) (any, error)) face.Func {
	return face.Method(face.Little, f)
}

var (
	writeBytes = writing(func(c *face.Call, s *Output, args []any) (any, error) { return s.write(c, args[0].([]byte)) })
	writeZeros = writing(func(c *face.Call, s *Output, args []any) (any, error) {
		n := args[0].(uint64)
		if n > maxWrite {
			return nil, abi.Trap("write-zeroes of %d bytes, check-write permits %d", n, maxWrite)
		}
		return s.write(c, make([]byte, n))
	})
	flush = writing(func(_ *face.Call, s *Output, _ []any) (any, error) {
		if s.closed {
			return streamClosed, nil
		}
		return face.Good(nil), nil
	})
	splice = func(wait bool) face.Func {
		return writing(func(c *face.Call, s *Output, args []any) (any, error) {
			if s.closed {
				return streamClosed, nil
			}
			most := args[1].(uint64)
			if !wait {
				most = min(most, s.room())
			}
			b, none, err := face.Object[*Input](args[0]).take(c, most, wait)
			if none != nil || err != nil {
				return none, err
			}
			if len(b) == 0 {
				return face.Good(uint64(0)), nil
			}
			if v, err := s.write(c, b); err != nil || v.(abi.Variant).Case == 1 {
				return v, err
			}
			return face.Good(uint64(len(b))), nil
		})
	}
)

var ioStreams = map[string]face.Func{
	"[method]input-stream.read":          read(false, false),
	"[method]input-stream.blocking-read": read(true, false),
	"[method]input-stream.skip":          read(false, true),
	"[method]input-stream.blocking-skip": read(true, true),
	"[method]input-stream.subscribe": face.Method(face.Little, func(_ *face.Call, s *Input, _ []any) (any, error) {
		if s.Ready != nil {
			return face.Rep(s.Ready()), nil
		}
		return face.Rep(&Pollable{}), nil
	}),
	"[method]output-stream.check-write": writing(func(c *face.Call, s *Output, _ []any) (any, error) {
		if s.closed {
			return streamClosed, nil
		}
		return c.Good(s.room()), nil
	}),
	"[method]output-stream.write":                    face.Lent(writeBytes),
	"[method]output-stream.blocking-write-and-flush": face.Lent(writeBytes),
	"[method]output-stream.flush":                    flush,
	"[method]output-stream.blocking-flush":           flush,
	"[method]output-stream.subscribe": writing(func(_ *face.Call, s *Output, _ []any) (any, error) {
		if s.Ready != nil {
			return face.Rep(s.Ready()), nil
		}
		return face.Rep(&Pollable{}), nil
	}),
	"[method]output-stream.write-zeroes":                    writeZeros,
	"[method]output-stream.blocking-write-zeroes-and-flush": writeZeros,
	"[method]output-stream.splice":                          splice(false),
	"[method]output-stream.blocking-splice":                 splice(true),
}
