package wasi

import (
	"context"
	"reflect"
	"time"

	"github.com/weftlattice/weft/host/internal/component/abi"
)

const (
	maxRead  = 64 << 10 // bytes that one read gives
	maxWrite = 64 << 10 // bytes that check-write permits
	maxPoll  = 1000     // pollables of one poll
)

// failure is the object behind wasi:io/error.
type failure struct{ text string }

var ioError = map[string]Func{
	"[method]error.to-debug-string": method(Little, func(_ *Call, f *failure, _ []any) (any, error) {
		return f.text,
			nil
	}),
}

// pollable is ready at some time: when its channel is closed, or at a moment. With neither it is ready.
type pollable struct {
	done <-chan struct{}
	at   time.Time
}

func (p *pollable) ready() bool {
	if p.done != nil {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}
	return !time.Now().Before(p.at)
}

// await waits until one of all is ready.
func await(ctx context.Context, all []*pollable) error {
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}}
	var first time.Time
	for _, p := range all {
		switch {
		case p.done != nil:
			cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(p.done)})
		case first.IsZero() || p.at.Before(first):
			first = p.at
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

var ioPoll = map[string]Func{
	"[method]pollable.ready": method(Little, func(_ *Call, p *pollable, _ []any) (any, error) {
		return p.ready(),
			nil
	}),
	"[method]pollable.block": method(Some, func(c *Call, p *pollable, _ []any) (any, error) {
		if p.ready() {
			return nil, nil
		}
		return nil, await(c.Context, []*pollable{p})
	}),
	"poll": {Some, func(c *Call, args []any) (any, error) {
		reps, _ := args[0].([]any)
		switch {
		case len(reps) == 0:
			return nil, abi.Trap("poll of no pollables")
		case len(reps) > maxPoll:
			return nil, abi.Trap("poll of %d pollables, %d allowed", len(reps), maxPoll)
		}
		all := make([]*pollable, len(reps))
		for i, r := range reps {
			all[i] = object[*pollable](r)
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
			if err := await(c.Context, all); err != nil {
				return nil, err
			}
		}
	}},
}

// input is an input-stream. next returns some bytes, or io.EOF alone; it waits for them when wait is set, and returns
// nothing otherwise.
type input struct {
	next  func(ctx context.Context, max int, wait bool) ([]byte, error)
	ready func() *pollable // nil: at once
}

// output is an output-stream.
type output struct {
	sink   Sink
	closed bool
}

// Errors of streams: stream-error is last-operation-failed(error) or closed.
var streamClosed = bad(abi.Variant{Case: 1})

func streamFailed(err error) abi.Variant {
	return bad(abi.Variant{Value: rep(&failure{err.Error()})})
}

func read(wait, skip bool) Func {
	return method(Little, func(c *Call, s *input, args []any) (any, error) {
		n := int(min(args[0].(uint64), maxRead))
		b, err := s.next(c.Context, n, wait && n > 0)
		switch {
		case c.Context.Err() != nil:
			return nil, c.Context.Err()
		case err != nil && len(b) == 0:
			return streamClosed, nil
		}
		c.Pay(len(b))
		if skip {
			return good(uint64(len(b))), nil
		}
		return good(b), nil
	})
}

// write writes bytes; flush waits until they are taken, which they always are here.
func (s *output) write(c *Call, b []byte) (any, error) {
	if s.closed {
		return streamClosed, nil
	}
	c.Pay(len(b))
	if err := s.sink(c.Context, b); err != nil {
		if c.Context.Err() != nil {
			return nil, c.Context.Err()
		}
		s.closed = true
		return streamFailed(err), nil
	}
	return good(nil), nil
}

func writing(f func(c *Call, s *output, args []any) (any, error)) Func { return method(Little, f) }

var (
	writeBytes = writing(func(c *Call, s *output, args []any) (any, error) { return s.write(c, args[0].([]byte)) })
	writeZeros = writing(func(c *Call, s *output, args []any) (any, error) {
		n := args[0].(uint64)
		if n > maxWrite {
			return nil, abi.Trap("write-zeroes of %d bytes, check-write permits %d", n, maxWrite)
		}
		return s.write(c, make([]byte, n))
	})
	flush = writing(func(_ *Call, s *output, _ []any) (any, error) {
		if s.closed {
			return streamClosed, nil
		}
		return good(nil), nil
	})
	splice = func(wait bool) Func {
		return writing(func(c *Call, s *output, args []any) (any, error) {
			from := object[*input](args[0])
			b, err := from.next(c.Context, int(min(args[1].(uint64), maxRead)), wait)
			if err != nil && len(b) == 0 {
				return streamClosed, nil
			}
			if v, err := s.write(c, b); err != nil || v.(abi.Variant).Case == 1 {
				return v, err
			}
			return good(uint64(len(b))), nil
		})
	}
)

var ioStreams = map[string]Func{
	"[method]input-stream.read":          read(false, false),
	"[method]input-stream.blocking-read": read(true, false),
	"[method]input-stream.skip":          read(false, true),
	"[method]input-stream.blocking-skip": read(true, true),
	"[method]input-stream.subscribe": method(Little, func(_ *Call, s *input, _ []any) (any, error) {
		if s.ready != nil {
			return rep(s.ready()), nil
		}
		return rep(&pollable{}), nil
	}),
	"[method]output-stream.check-write": writing(func(_ *Call, s *output, _ []any) (any, error) {
		if s.closed {
			return streamClosed, nil
		}
		return good(uint64(maxWrite)), nil
	}),
	"[method]output-stream.write":                    writeBytes,
	"[method]output-stream.blocking-write-and-flush": writeBytes,
	"[method]output-stream.flush":                    flush,
	"[method]output-stream.blocking-flush":           flush,
	"[method]output-stream.subscribe": writing(func(*Call, *output, []any) (any,
		error) {
		return rep(&pollable{}), nil
	}),
	"[method]output-stream.write-zeroes":                    writeZeros,
	"[method]output-stream.blocking-write-zeroes-and-flush": writeZeros,
	"[method]output-stream.splice":                          splice(false),
	"[method]output-stream.blocking-splice":                 splice(true),
}
