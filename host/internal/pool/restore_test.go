package pool_test

import (
	"context"
	"testing"

	"github.com/weftlattice/weft/host/internal/pool"
	"github.com/weftlattice/weft/lattice"
)

// restoring makes a pool whose instances can be restored, and a function that uses one for a call.
func restoring(t *testing.T, cfg pool.Config) (*pool.Pool[*instance], func(memory uint64, err error) *instance) {
	f := &factory{}
	p := pool.New(cfg, func(ctx context.Context) (*instance, error) {
		i, err := f.create(ctx)
		i.restorable = true
		return i, err
	})
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p, func(memory uint64, err error) *instance {
		t.Helper()
		i, acquireErr := p.Acquire(t.Context())
		if acquireErr != nil {
			t.Fatal(acquireErr)
		}
		i.memory.Store(memory)
		p.Release(i, err)
		return i
	}
}

func TestFreshRestoresAfterEveryCall(t *testing.T) {
	p, use := restoring(t, pool.Config{Max: 1, Fresh: true})
	first := use(700, nil)
	second := use(800, lattice.ErrGuest)
	if first != second || first.restored.Load() != 2 || first.closed.Load() != 0 {
		t.Errorf("the same %t, restored %d, closed %d", first == second, first.restored.Load(), first.closed.Load())
	}
	if s := p.Stats(); s.Restored != 2 || s.Created != 1 || s.MemoryBytes != 100 {
		t.Errorf("%+v", s)
	}
	use(100, lattice.ErrTrap)
	if first.restored.Load() != 2 || first.closed.Load() != 1 {
		t.Errorf("after a trap: restored %d, closed %d", first.restored.Load(), first.closed.Load())
	}
}

func TestFreshReplacesWhatCanNotBeRestored(t *testing.T) {
	p, f := newPool(t, pool.Config{Max: 1, Fresh: true})
	for range 3 {
		i, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.Release(i, nil)
	}
	if s := p.Stats(); len(f.made) != 3 || s.Restored != 0 || s.Discarded[pool.Used] != 3 || s.Idle != 0 ||
		s.MemoryBytes != 0 {
		t.Errorf("%d made, %+v", len(f.made), s)
	}
}

func TestRecycledInstancesAreRestored(t *testing.T) {
	p, use := restoring(t, pool.Config{Max: 1, MaxCalls: 3, MaxMemoryBytes: 1000})
	var i *instance
	for range 7 { // restored after the third and the sixth
		i = use(500, nil)
	}
	if i.restored.Load() != 2 {
		t.Errorf("restored %d times after 7 calls", i.restored.Load())
	}
	use(1001, nil)
	if s := p.Stats(); i.restored.Load() != 3 || s.Created != 1 || s.MemoryBytes != 100 {
		t.Errorf("restored %d times, %+v", i.restored.Load(), s)
	}
	for range 2 { // the count began again with the growth
		use(500, nil)
	}
	if i.restored.Load() != 3 {
		t.Errorf("restored %d times", i.restored.Load())
	}
}

func TestWarmIsNoCall(t *testing.T) {
	p, use := restoring(t, pool.Config{Max: 1, MaxCalls: 2})
	if err := p.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	i := use(100, nil)
	if i.restored.Load() != 0 || p.Stats().Created != 1 {
		t.Errorf("restored %d times, %+v", i.restored.Load(), p.Stats())
	}
	if i = use(100, nil); i.restored.Load() != 1 {
		t.Error("not restored after the second call")
	}
}

// What would be discarded anyway is not restored first.
func TestSurplusIsNotRestored(t *testing.T) {
	p, _ := restoring(t, pool.Config{Max: 1, Fresh: true})
	i, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Resize(0)
	p.Release(i, nil)
	if s := p.Stats(); i.restored.Load() != 0 || i.closed.Load() != 1 || s.Discarded[pool.Shrunk] != 1 {
		t.Errorf("restored %d, closed %d, %+v", i.restored.Load(), i.closed.Load(), s)
	}
}
