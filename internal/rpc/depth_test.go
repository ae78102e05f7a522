package rpc_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// due is a context whose deadline has come, or is so near that it cannot be said, and which has not ended yet.
type due struct {
	context.Context
	left time.Duration
}

func (d due) Deadline() (time.Time, bool) { return time.Now().Add(d.left), true }

// A call that is made when no time is left fails and is not sent: its receiver would take it for one that may take
// long.
func TestNoCallIsSentAfterItsTime(t *testing.T) {
	r := newRig(t)
	sub, err := r.nc.SubscribeSync(subject.Actor(r.env.Lattice, r.actor))
	if err != nil {
		t.Fatal(err)
	}
	call := rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Now"}
	for _, left := range []time.Duration{-time.Second, 0, time.Millisecond / 2} {
		if _, err := r.client.Call(due{t.Context(), left}, call); !errors.Is(err, lattice.ErrTimeout) {
			t.Errorf("with %v left: %v", left, err)
		}
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := sub.Pending(); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
}

// A call says in how many others it is nested; those that are nested too deep are not made.
func TestDepthTravels(t *testing.T) {
	r := newRig(t)
	served := 0
	r.serve(t, 0, func(ctx context.Context, _ *wire.Invocation) ([]byte, error) {
		served++
		depth, err := invocation.Deeper(ctx)
		return []byte(strings.Repeat("x", depth)), err
	})
	call := rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Depth"}
	if got, err := r.client.Call(t.Context(), call); err != nil || len(got) != 1 {
		t.Errorf("from outside: a nested call would be at %d, %v", len(got), err)
	}
	if got, err := r.client.Call(invocation.WithDepth(t.Context(), 7), call); err != nil || len(got) != 9 {
		t.Errorf("from a call that is nested in 7: a nested call would be at %d, %v", len(got), err)
	}
	if _, err := r.client.Call(invocation.WithDepth(t.Context(), invocation.MaxDepth-1), call); !errors.Is(err,
		lattice.ErrTooLarge) || !strings.Contains(err.Error(), "nested 64 deep") {
		t.Errorf("in the deepest: %v", err)
	}
	if _, err := r.client.Call(invocation.WithDepth(t.Context(), invocation.MaxDepth), call); !errors.Is(err,
		lattice.ErrTooLarge) || served != 3 {
		t.Errorf("beyond: %v, %d calls served", err, served)
	}
}
