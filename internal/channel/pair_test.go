package channel_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// What a call over a Pair comes to; provider's TestAllWaysAreTheSame compares it with a Conn and with NATS.
func TestPair(t *testing.T) {
	host, prov := channel.Pair()
	call := &channel.Call{Origin: wire.Entity{PublicKey: "V1"}, Target: wire.Entity{PublicKey: "M1"}, Operation: "Do",
		Payload: []byte("ab")}
	if _, err := prov.Call(t.Context(), call, time.Second); !channel.Elsewhere(err) || prov.Up() {
		t.Errorf("nothing is served: %v", err)
	}
	var handle invocation.Handler
	var notices []string
	host.Serve(channel.Config{MaxBytes: 10, Logger: latticetest.Logger(t),
		Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte, error) { return handle(ctx, inv) },
		Notice:  func(b []byte) { notices = append(notices, string(b)) },
		Admit: func(origin, _ wire.Entity) error {
			if origin.PublicKey != "V1" {
				return lattice.ErrDenied
			}
			return nil
		}})
	if err := prov.Notify(t.Context(), []byte("hear")); err != nil || len(notices) != 1 || notices[0] != "hear" {
		t.Errorf("notices %v, %v", notices, err)
	}

	with := func(change func(*channel.Call)) *channel.Call {
		c := *call
		change(&c)
		return &c
	}
	long := bytes.Repeat([]byte("x"), 11)
	broken := errors.New("broken body")
	for name, c := range map[string]struct {
		call   *channel.Call
		handle invocation.Handler
		want   error
		text   string
	}{
		"answer": {call, func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
			return bytes.ToUpper(inv.Msg), nil
		}, nil, "AB"},
		"body": {with(func(c *channel.Call) { c.Body, c.BodyLength = strings.NewReader("cd"), 2 }),
			func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
				return bytes.ToUpper(inv.Msg), nil
			}, nil, "ABCD"},
		"short body": {with(func(c *channel.Call) { c.Body, c.BodyLength = strings.NewReader("c"), 2 }), nil,
			io.ErrUnexpectedEOF, ""},
		"no body": {with(func(c *channel.Call) { c.Body, c.BodyLength = strings.NewReader(""), 2 }), nil,
			io.ErrUnexpectedEOF, ""},
		"broken body": {with(func(c *channel.Call) { c.Body, c.BodyLength = iotest.ErrReader(broken), 2 }),
			nil, broken, ""},
		"somebody else":   {with(func(c *channel.Call) { c.Origin.PublicKey = "V2" }), nil, lattice.ErrDenied, ""},
		"too much to ask": {with(func(c *channel.Call) { c.Payload = long }), nil, lattice.ErrTooLarge, ""},
		"too much to tell": {call, func(context.Context, *wire.Invocation) ([]byte, error) { return long, nil },
			lattice.ErrTooLarge, ""},
		"panic": {call, func(context.Context, *wire.Invocation) ([]byte, error) { panic("x") },
			lattice.ErrInternal, ""},
		"out of time": {call, func(ctx context.Context, _ *wire.Invocation) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, lattice.ErrTimeout, ""},
		"stay": {with(func(c *channel.Call) { c.Stay = true }),
			func(ctx context.Context, _ *wire.Invocation) ([]byte, error) {
				channel.Yield(ctx)
				if !channel.Stays(ctx) {
					return nil, errors.New("it may go elsewhere")
				}
				return nil, nil
			}, nil, ""},
		"guest's error": {call, func(context.Context, *wire.Invocation) ([]byte, error) {
			return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "no such key"}
		}, lattice.ErrGuest, ""},
	} {
		t.Run(name, func(t *testing.T) {
			handle = c.handle
			result, err := prov.Call(t.Context(), c.call, 50*time.Millisecond)
			if string(result) != c.text || !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("%q, %v", result, err)
			}
		})
	}

	handle = func(context.Context, *wire.Invocation) ([]byte, error) { return nil, lattice.ErrNoResponders }
	if _, err := prov.Call(t.Context(), call, time.Second); !channel.Elsewhere(err) {
		t.Errorf("turned away: %v", err)
	}
	handle = func(context.Context, *wire.Invocation) ([]byte, error) {
		return nil, &lattice.Error{Code: lattice.ErrNoResponders, Remote: true}
	}
	if _, err := prov.Call(t.Context(), call, time.Second); channel.Unbegun(err) {
		t.Errorf("turned away further down counts as not begun: %v", err)
	}

	// The trace goes on with a span of its own, whatever trace the caller's context was made with later.
	parent := trace.New()
	handle = func(ctx context.Context, _ *wire.Invocation) ([]byte, error) {
		tc, ok := trace.From(ctx)
		if _, has := ctx.Deadline(); !ok || !has || tc.TraceID != parent.TraceID || tc.SpanID == parent.SpanID {
			return nil, errors.New("no trace or no deadline")
		}
		return nil, nil
	}
	if _, err := prov.Call(trace.With(t.Context(), parent), call, time.Second); err != nil {
		t.Error(err)
	}

	host.Close()
	prov.Close()
	if _, err := prov.Call(t.Context(), call, time.Second); !channel.Elsewhere(err) ||
		prov.Notify(t.Context(), nil) == nil {
		t.Errorf("after the end: %v", err)
	}
	<-prov.Done()
}

// Host and provider call each other in turns, without end: the channel ends it.
func TestPairNests(t *testing.T) {
	a, b := channel.Pair()
	depth := 0
	forth := func(e *channel.End) invocation.Handler {
		return func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			depth++
			return e.Call(ctx, &channel.Call{Operation: "Again"}, time.Second)
		}
	}
	a.Serve(channel.Config{Handler: forth(a)})
	b.Serve(channel.Config{Handler: forth(b)})
	if _, err := a.Call(t.Context(), &channel.Call{Operation: "Begin"}, time.Second); !errors.Is(err,
		lattice.ErrNoResponders) || depth < 2 || depth > 100 {
		t.Errorf("depth %d, %v", depth, err)
	}
}

// Many call at once: never more than the window are served, the others are busy at once, and none is lost.
func TestPairWindow(t *testing.T) {
	const window = 3
	a, b := channel.Pair()
	var now, most atomic.Int64
	release := make(chan struct{})
	b.Serve(channel.Config{Window: window, Handler: func(context.Context, *wire.Invocation) ([]byte, error) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		<-release
		return nil, nil
	}})
	var wg sync.WaitGroup
	var served, busy atomic.Int64
	for range 20 {
		wg.Go(func() {
			switch _, err := a.Call(t.Context(), &channel.Call{}, patience); {
			case err == nil:
				served.Add(1)
			case errors.Is(err, lattice.ErrBusy) && channel.Unbegun(err):
				if busy.Add(1) == 20-window {
					close(release)
				}
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if served.Load() != window || busy.Load() != 20-window || most.Load() > window {
		t.Errorf("%d served, %d busy, %d at once", served.Load(), busy.Load(), most.Load())
	}
	if _, err := a.Call(t.Context(), &channel.Call{}, patience); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
