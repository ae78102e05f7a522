package pool_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftlattice/weft/host/internal/pool"
	"github.com/weftlattice/weft/lattice"
)

// Where there is room for three instances only, a burst is served by those three. A call that would have to wait for
// long is busy at once.
func TestABurstMakesDoWithTheRoomThatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 3
		var mu sync.Mutex
		made := 0
		p := pool.New(pool.Config{Max: pool.Unbounded}, func(context.Context) (*instance, error) {
			mu.Lock()
			defer mu.Unlock()
			if made == room {
				return nil, &lattice.Error{Code: lattice.ErrBusy, Detail: "no memory"}
			}
			made++
			return &instance{}, nil
		})
		served, busy := 0, 0
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				i, err := p.Acquire(t.Context())
				if err == nil {
					time.Sleep(10 * time.Millisecond)
					p.Release(i, nil)
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					served++
				case errors.Is(err, lattice.ErrBusy):
					busy++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if served < room || served > 5*room+1 || served+busy != 100 {
			t.Errorf("%d served, %d busy", served, busy)
		}
		for range 4 { // instances idle: they are given up one by one
			p.Reclaim()
		}
		if _, idle := p.OldestIdle(); idle || p.Stats().Discarded[pool.Reclaimed] != room {
			t.Errorf("%+v", p.Stats())
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// With no instance at all, there is nothing to wait for.
func TestNoRoomForTheFirstInstanceIsBusy(t *testing.T) {
	p := pool.New(pool.Config{Max: 1}, func(context.Context) (*instance, error) {
		return nil, &lattice.Error{Code: lattice.ErrBusy, Detail: "no memory"}
	})
	if _, err := p.Acquire(t.Context()); !errors.Is(err, lattice.ErrBusy) {
		t.Error(err)
	}
}
