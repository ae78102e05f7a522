package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice/wire"
)

// A worker that has served a call with a late deadline keeps the early one of the next call, and the other way round.
func TestDeadlinesOfCallsThatShareAWorker(t *testing.T) {
	r := newRig(t)
	ended := make(chan error, 1)
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		if inv.Operation == "Test.Quick" {
			return inv.Msg, ctx.Err()
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	for range 3 {
		long, cancel := context.WithTimeout(context.Background(), time.Minute)
		if _, err := r.call(long, "Test.Quick", nil); err != nil {
			t.Fatal(err)
		}
		cancel()
		short, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if _, err := r.call(short, "Test.Wait", nil); err == nil {
			t.Error("a call that was not answered has no error")
		}
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the handler's context ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the handler's context has not ended")
		}
	}
}

// Contexts made from that of a call end with it, and a late look at it is answered.
func TestContextEndsWithItsCall(t *testing.T) {
	r := newRig(t)
	contexts := make(chan context.Context, 2)
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		child, cancel := context.WithCancel(ctx)
		t.Cleanup(cancel)
		contexts <- ctx
		contexts <- child
		return nil, nil
	})
	if _, err := r.call(context.Background(), "Test.Echo", nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx := <-contexts
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("it ended with %v", ctx.Err())
		}
	}
}

// More calls at once than workers are kept, again and again, each with the right answer.
func TestManyCallsAtOnce(t *testing.T) {
	r := newRig(t)
	const calls = 200
	for range 3 {
		var all sync.WaitGroup
		all.Add(calls)
		sub := r.serve(t, calls, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			all.Done()
			all.Wait() // until the others are being served, too
			return inv.Msg, ctx.Err()
		})
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				want := fmt.Sprint("call ", i)
				if got, err := r.call(ctx, "Test.Echo", []byte(want)); err != nil || string(got) != want {
					t.Errorf("got %q, %v; want %q", got, err, want)
				}
			})
		}
		wg.Wait()
		if err := sub.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
