package channel_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// The other process is stopped for longer than the caller waits. What it finds in its socket when it goes on is not
// begun.
func TestACallThatWaitedInASocketIsNotBegun(t *testing.T) {
	latticetest.NeedsClock(t)
	both(t, func(t *testing.T, inline bool) {
		var calls atomic.Int64
		stopped, goOn := make(chan struct{}), make(chan struct{})
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline,
			Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
				calls.Add(1)
				return echo(ctx, inv)
			},
			Notice: func([]byte) { // the reader goes no further, as that of a process which is stopped
				close(stopped)
				<-goOn
			}})
		ctx := context.Background()
		if _, err := a.Call(ctx, request([]byte("x")), patience); err != nil {
			t.Fatal(err)
		}
		if err := a.Notify(ctx, []byte("stop")); err != nil {
			t.Fatal(err)
		}
		<-stopped
		if _, err := a.Call(ctx, request([]byte("late")),
			20*time.Millisecond); lattice.CodeOf(err) != lattice.ErrTimeout {
			t.Errorf("a call of a process that is stopped: %v", err)
		}
		close(goOn)
		if _, err := a.Call(ctx, request([]byte("y")), patience); err != nil {
			t.Fatal(err)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls were begun, want the two whose callers waited", n)
		}
	})
}

// What a handler waits for never comes. Its callers give up one after another, and each time the next call takes the
// place of the last one, often before that has ended at the other end.
func TestACallEndsWithItsCallerThoughItsPlaceIsTakenByTheNext(t *testing.T) {
	both(t, func(t *testing.T, inline bool) {
		var begun, ended atomic.Int64
		a, _ := pair(t, channel.Config{}, channel.Config{Inline: inline, Handler: func(ctx context.Context,
			inv *wire.Invocation) ([]byte, error) {
			if len(inv.Msg) > 0 {
				return echo(ctx, inv)
			}
			begun.Add(1)
			channel.Yield(ctx)
			<-ctx.Done()
			if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a call ended with %v", err)
			}
			ended.Add(1)
			return nil, ctx.Err()
		}})
		ctx := context.Background()
		for range 100 {
			if _, err := a.Call(ctx, request(nil), 3*time.Millisecond); lattice.CodeOf(err) != lattice.ErrTimeout {
				t.Errorf("a call that is not answered: %v", err)
			}
		}
		if _, err := a.Call(ctx, request([]byte("x")), patience); err != nil { // all before it have come
			t.Error(err)
		}
		for end := time.Now().Add(time.Minute); begun.Load() > ended.Load(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d calls are served on for callers that gave up long ago", begun.Load()-ended.Load())
			}
		}
	})
}

// With its window full of calls that hang, a process can still be asked whether it lives.
func TestUrgentCallsFindRoomInAFullWindow(t *testing.T) {
	release := make(chan struct{})
	a, _ := pair(t, channel.Config{}, channel.Config{Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte,
		error) {
		if inv.Operation == channel.OpAlive {
			return nil, nil
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, nil
	}})
	defer close(release)
	busy := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range channel.DefaultWindow {
		go func() { // ends with the handler
			if _, err := a.Call(ctx, request(nil), time.Minute); lattice.CodeOf(err) == lattice.ErrBusy {
				select {
				case busy <- struct{}{}:
				default:
				}
			}
		}()
	}
	<-busy
	alive := request(nil)
	alive.Operation, alive.Urgent = channel.OpAlive, true
	if _, err := a.Call(context.Background(), alive, time.Minute); err != nil {
		t.Errorf("the urgent call: %v", err)
	}
}
