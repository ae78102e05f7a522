package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// line is an endpoint with one instance, each of whose calls takes ten seconds by a clock that only the test moves.
type line struct {
	*rig
	sub   *rpc.Subscription
	clock atomic.Int64
	next  chan struct{} // one is done for each
	calls sync.WaitGroup
}

func newLine(t *testing.T) *line {
	l := &line{rig: newRig(t), next: make(chan struct{})}
	rpc.SetClock(l.server, func() time.Duration { return time.Duration(l.clock.Load()) })
	instance := make(chan struct{}, 1)
	s := subject.Actor(l.env.Lattice, l.actor)
	var err error
	l.sub, err = l.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(l.actor), Subject: s, Queue: s, Limit: 20,
		Instances: 1,
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) {
			instance <- struct{}{}
			<-l.next
			<-instance
			return nil, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.calls.Wait)
	t.Cleanup(func() { close(l.next) })
	return l
}

// inProgress waits until so many calls are.
func (l *line) inProgress(t *testing.T, n int) {
	t.Helper()
	latticetest.Eventually(t, func() error {
		if got := l.sub.Active(); got != n {
			return fmt.Errorf("%d calls in progress, want %d", got, n)
		}
		return nil
	})
}

// A call is admitted by the time that it would wait, whichever way it comes.
func TestQueueOnBothWays(t *testing.T) {
	type call func(l *line, ctx context.Context, origin wire.Entity) error
	for name, do := range map[string]call{
		"NATS": func(l *line, ctx context.Context, origin wire.Entity) error {
			_, err := l.client.Call(ctx, rpc.Call{Origin: origin, Target: wire.ActorEntity(l.actor),
				Operation: "Test.Do"})
			return err
		},
		"local": func(l *line, ctx context.Context, origin wire.Entity) error {
			_, err := l.sub.Serve(ctx, &wire.Invocation{Origin: origin, Target: wire.ActorEntity(l.actor),
				Operation: "Test.Do"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t)
			// makes a call whose caller would wait so long, and that should end at once
			within := func(d time.Duration) error {
				t.Helper()
				ended := make(chan error, 1)
				l.calls.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), d)
					defer cancel()
					ended <- do(l, ctx, l.origin)
				})
				select {
				case err := <-ended:
					return err
				case <-time.After(patience):
					t.Fatal("the call waits, want it turned away")
					return nil
				}
			}
			admitted := func(origin wire.Entity, n int) {
				t.Helper()
				l.calls.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					defer cancel()
					if err := do(l, ctx, origin); err != nil {
						t.Errorf("an admitted call: %v", err)
					}
				})
				l.inProgress(t, n)
			}
			for n := range 8 { // nothing is known, so all may wait
				admitted(l.origin, n+1)
			}
			for n := 7; n > 1; n-- {
				l.clock.Add(int64(10 * time.Second))
				l.next <- struct{}{}
				l.inProgress(t, n)
			}
			if load := l.sub.Load(); load.Active != 2 || load.Wait != 20*time.Second || load.Refused != 0 {
				t.Errorf("load %+v, want one more to wait 20 s", load)
			}
			if err := within(5 * time.Second); !errors.Is(err, lattice.ErrBusy) {
				t.Errorf("whose caller does not wait so long: %v, want busy", err)
			}
			admitted(l.origin, 3)
			err := within(time.Minute)
			if !errors.Is(err, lattice.ErrBusy) || !strings.Contains(err.Error(), "busy: 2 calls wait about 30000 ms") {
				t.Errorf("who would wait for three calls: %v", err)
			}
			admitted(wire.ActorEntity(l.env.ActorID(t)), 4) // a call from within a call
			if load := l.sub.Load(); load.Refused != 2 {
				t.Errorf("load %+v, want two turned away", load)
			}
		})
	}
}

// Many at once on both ways: each call ends as served or as busy, all are counted, and nothing stays behind.
func TestQueueHammer(t *testing.T) {
	const callers, calls = 24, 60
	r := newRig(t)
	s := subject.Actor(r.env.Lattice, r.actor)
	instances := make(chan struct{}, 2)
	var served atomic.Int64
	sub, err := r.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(r.actor), Subject: s, Queue: s, Limit: 16,
		Instances: cap(instances),
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) {
			instances <- struct{}{}
			defer func() { <-instances }()
			served.Add(1)
			return nil, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	var ok, busy atomic.Int64
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for range calls {
				var err error
				if n%2 == 0 {
					_, err = r.call(context.Background(), "Test.Do", nil)
				} else {
					_, err = sub.Serve(context.Background(), &wire.Invocation{Origin: r.origin,
						Target: wire.ActorEntity(r.actor), Operation: "Test.Do"})
				}
				switch {
				case err == nil:
					ok.Add(1)
				case errors.Is(err, lattice.ErrBusy):
					busy.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if ok.Load()+busy.Load() != callers*calls || ok.Load() != served.Load() {
		t.Errorf("%d answered, %d busy, %d served of %d", ok.Load(), busy.Load(), served.Load(), callers*calls)
	}
	latticetest.Eventually(t, func() error {
		if n := sub.Active(); n != 0 {
			return fmt.Errorf("%d calls in progress", n)
		}
		return nil
	})
	if _, err := r.call(context.Background(), "Test.Do", nil); err != nil {
		t.Errorf("when all is over: %v", err)
	}
}

// BenchmarkServe is a call of a handler that does nothing, over the local way, below capacity.
func BenchmarkServe(b *testing.B) {
	env := latticetest.NATS(b)
	server := rpc.NewServer(env.Conn(b), rpc.ServerConfig{Lattice: env.Lattice, Logger: env.Logger})
	actor := env.ActorID(b)
	sub, err := server.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: subject.Actor(env.Lattice, actor),
		Limit: 64, Instances: 32,
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) { return nil, nil }})
	if err != nil {
		b.Fatal(err)
	}
	inv := &wire.Invocation{Target: wire.ActorEntity(actor), Operation: "Test.Do"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sub.Serve(context.Background(), inv); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := server.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
