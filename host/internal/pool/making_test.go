package pool_test

import (
	"context"
	"sync"
	"testing"

	"github.com/weftlattice/weft/host/internal/pool"
)

// A burst makes one instance at a time, and those who wait take what comes free rather than make more.
func TestMaxMaking(t *testing.T) {
	f := &factory{}
	begin, finish := make(chan struct{}, 8), make(chan struct{})
	p := pool.New(pool.Config{Max: 8, MaxMaking: 1}, func(ctx context.Context) (*instance, error) {
		begin <- struct{}{}
		<-finish
		return f.create(ctx)
	})
	got := make(chan *instance, 3)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			i, err := p.Acquire(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			got <- i
		})
	}
	<-begin
	for p.Stats().Waiting != 2 { // the others are in line
		select {
		case <-begin:
			t.Fatal("two were made at once")
		default:
		}
	}
	finish <- struct{}{}
	first := <-got
	<-begin // the turn to make goes to the next in line
	p.Release(first, nil)
	if again := <-got; again != first {
		t.Error("one who waited did not get the instance that came free")
	}
	finish <- struct{}{}
	second := <-got
	wg.Wait()
	p.Release(first, nil)
	p.Release(second, nil)
	if err := p.Close(context.Background()); err != nil || len(f.made) != 2 {
		t.Errorf("%d instances made, %v", len(f.made), err)
	}
}
