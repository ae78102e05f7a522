package attack

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// deadline is within which the bystander must answer, whatever else its host has to bear. Tests share their machine.
const deadline = time.Minute

// bystander is a healthy actor that is called all the time.
type bystander struct {
	end func() // no more calls; the test's end does it, too

	mu      sync.Mutex
	good    int           // guarded by mu
	slowest time.Duration // guarded by mu
	failure error         // the first; guarded by mu
}

// watch calls an actor until the end of the test.
func (r *rig) watch(id lattice.ActorID) *bystander {
	b := &bystander{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				b.call(ctx, r.client, id)
			}
		}
	}()
	b.end = func() { cancel(); <-done }
	r.t.Cleanup(b.end)
	return b
}

func (b *bystander) call(ctx context.Context, c *rpc.Client, id lattice.ActorID) {
	within, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	from := time.Now()
	payload := []byte(from.String())
	got, err := c.Call(within, rpc.Call{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id),
		Operation: "Test.Echo", Payload: payload})
	if err == nil && !bytes.Equal(got, payload) {
		err = fmt.Errorf("the bystander answered %q", got)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case err == nil:
		b.good++
		b.slowest = max(b.slowest, time.Since(from))
	case b.failure == nil:
		b.failure = err
	}
}

func (b *bystander) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.good, b.slowest = 0, 0
}

// served fails the test when a call has failed; it waits for one call at least.
func (b *bystander) served(t *testing.T) (good int, slowest time.Duration) {
	t.Helper()
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		b.mu.Lock()
		good, slowest = b.good, b.slowest
		err := b.failure
		b.mu.Unlock()
		switch {
		case err != nil:
			t.Fatalf("the bystander was not served: %v", err)
		case good > 0:
			return good, slowest
		case time.Now().After(end):
			t.Fatal("the bystander was not served at all")
		}
	}
}
