package pool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/weftlattice/weft/host/internal/pool"
	"github.com/weftlattice/weft/lattice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// instance is a fake; the tests are about who gets it when.
type instance struct {
	n      int
	memory atomic.Uint64
	sick   atomic.Bool
	closed atomic.Int32
	used   atomic.Int32 // by how many at this moment

	restorable bool
	restored   atomic.Int32
}

func (i *instance) Healthy() bool               { return !i.sick.Load() }
func (i *instance) MemoryBytes() uint64         { return i.memory.Load() }
func (i *instance) Close(context.Context) error { i.closed.Add(1); return nil }

func (i *instance) Restore(context.Context) error {
	if !i.restorable {
		return errors.New("there is no snapshot")
	}
	i.restored.Add(1)
	i.memory.Store(100)
	return nil
}

// factory makes instances and remembers them.
type factory struct {
	mu   sync.Mutex
	made []*instance
	err  error
}

func (f *factory) create(context.Context) (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	i := &instance{n: len(f.made)}
	i.memory.Store(100)
	f.made = append(f.made, i)
	return i, nil
}

func newPool(t *testing.T, cfg pool.Config) (*pool.Pool[*instance], *factory) {
	f := &factory{}
	p := pool.New(cfg, f.create)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // some tests keep what they were lent
		_ = p.Close(ctx)
	})
	return p, f
}

func acquire(t *testing.T, p *pool.Pool[*instance]) *instance {
	t.Helper()
	i, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func wantCode(t *testing.T, err error, code lattice.Code) {
	t.Helper()
	if lattice.CodeOf(err) != code {
		t.Fatalf("got %v, want %s", err, code.Name())
	}
}

func TestMostRecentlyUsedFirst(t *testing.T) {
	p, f := newPool(t, pool.Config{Max: pool.Unbounded})
	a, b := acquire(t, p), acquire(t, p)
	p.Release(a, nil)
	p.Release(b, nil)
	if got := acquire(t, p); got != b {
		t.Errorf("got instance %d", got.n)
	}
	if len(f.made) != 2 {
		t.Errorf("%d were made", len(f.made))
	}
	p.Release(b, nil)
	p.Release(b, nil) // once too often
	if s := p.Stats(); s.Idle != 2 || s.InUse != 0 || s.Pending != 0 || s.Created != 2 || s.MemoryBytes != 200 {
		t.Errorf("%+v", s)
	}
}

func TestDiscards(t *testing.T) {
	for name, r := range map[string]struct {
		cfg   pool.Config
		err   error
		spoil func(*instance)
		want  pool.Reason
	}{
		"well":        {},
		"guest error": {err: &lattice.Error{Code: lattice.ErrGuest}},
		"trap":        {err: &lattice.Error{Code: lattice.ErrTrap}, want: pool.AfterError},
		"odd error":   {err: errors.New("odd"), want: pool.AfterError},
		"sick":        {spoil: func(i *instance) { i.sick.Store(true) }, want: pool.Unhealthy},
		"calls":       {cfg: pool.Config{MaxCalls: 1}, want: pool.WornOut},
		"first call":  {cfg: pool.Config{MaxCalls: 2}},
		"memory": {cfg: pool.Config{MaxMemoryBytes: 200}, spoil: func(i *instance) { i.memory.Store(201) },
			want: pool.TooLarge},
		"some memory": {cfg: pool.Config{MaxMemoryBytes: 200}, spoil: func(i *instance) { i.memory.Store(200) }},
	} {
		t.Run(name, func(t *testing.T) {
			r.cfg.Max = 1
			p, _ := newPool(t, r.cfg)
			i := acquire(t, p)
			if r.spoil != nil {
				r.spoil(i)
			}
			p.Release(i, r.err)
			s := p.Stats()
			if discarded := r.want != ""; (i.closed.Load() == 1) != discarded || (s.Idle == 0) != discarded ||
				(s.MemoryBytes == 0) != discarded || (discarded && s.Discarded[r.want] != 1) {
				t.Errorf("closed %d times, %+v", i.closed.Load(), s)
			}
			acquire(t, p) // its slot is free
		})
	}
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, pool.Config{Max: 1})
		held := acquire(t, p)
		var order []int
		for n := range 5 {
			go func() {
				i := acquire(t, p)
				order = append(order, n) // one at a time: there is one instance
				if n == 2 {
					p.Release(i, errors.New("broken")) // the next gets the right to make one
				} else {
					p.Release(i, nil)
				}
			}()
			synctest.Wait()
		}
		if s := p.Stats(); s.Waiting != 5 || s.Waits != 5 {
			t.Errorf("%+v", s)
		}
		p.Release(held, nil)
		synctest.Wait()
		for n, got := range order {
			if n != got {
				t.Fatalf("served in the order %v", order)
			}
		}
		if s := p.Stats(); len(order) != 5 || s.Created != 2 || s.Idle != 1 {
			t.Errorf("%v, %+v", order, s)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, pool.Config{Max: 1, MaxWaiting: 1})
		held := acquire(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := p.Acquire(ctx)
		wantCode(t, err, lattice.ErrBusy)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			_, err := p.Acquire(ctx)
			wantCode(t, err, lattice.ErrCanceled)
		}()
		synctest.Wait()
		_, err = p.Acquire(t.Context())
		wantCode(t, err, lattice.ErrBusy) // the line is full
		cancel()
		synctest.Wait()
		_, err = p.Acquire(ctx)
		wantCode(t, err, lattice.ErrCanceled)
		p.Release(held, nil)
		if s := p.Stats(); s.Idle != 1 || s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFailureToCreateFreesTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := newPool(t, pool.Config{Max: 1})
		held := acquire(t, p)
		f.err = errors.New("no memory")
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := p.Acquire(t.Context())
				errs <- err
			}()
		}
		synctest.Wait()
		p.Release(held, errors.New("broken"))
		for range 2 {
			if err := <-errs; !errors.Is(err, f.err) {
				t.Error(err)
			}
		}
		f.err = nil
		acquire(t, p)
		if s := p.Stats(); s.Failed != 2 || s.InUse != 1 || s.Pending != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, pool.Config{Max: 10, IdleTimeout: time.Minute})
		a, b, c := acquire(t, p), acquire(t, p), acquire(t, p)
		p.Release(a, nil)
		time.Sleep(30 * time.Second)
		p.Release(b, nil)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if a.closed.Load() != 1 || b.closed.Load() != 0 {
			t.Errorf("after a minute: a closed %d times, b %d times", a.closed.Load(), b.closed.Load())
		}
		p.Release(acquire(t, p), nil) // b again: its time begins anew
		p.Release(c, nil)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 2 || s.Discarded[pool.Idled] != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 0 || s.Discarded[pool.Idled] != 3 || s.MemoryBytes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, pool.Config{})
		got := make(chan *instance)
		for range 3 {
			go func() { got <- acquire(t, p) }()
		}
		synctest.Wait()
		if s := p.Stats(); s.Waiting != 3 || s.Created != 0 {
			t.Errorf("with room for none: %+v", s)
		}
		p.Resize(3)
		a, b, c := <-got, <-got, <-got
		p.Release(a, nil)
		p.Resize(1)
		if a.closed.Load() != 1 {
			t.Error("an idle one beyond the maximum lives")
		}
		p.Release(b, nil)
		p.Release(c, nil)
		if s := p.Stats(); s.Idle != 1 || s.Discarded[pool.Shrunk] != 2 {
			t.Errorf("%+v", s)
		}
		p.Resize(pool.Unbounded)
		for range 100 {
			acquire(t, p)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(t, pool.Config{Max: 2, IdleTimeout: time.Minute})
		lent, idle := acquire(t, p), acquire(t, p)
		p.Release(idle, nil)
		p.Resize(1)
		go func() {
			_, err := p.Acquire(t.Context())
			wantCode(t, err, lattice.ErrNoResponders)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, p.Close(ctx), lattice.ErrTimeout)
		_, err := p.Acquire(t.Context())
		wantCode(t, err, lattice.ErrNoResponders)
		if idle.closed.Load() != 1 || lent.closed.Load() != 0 {
			t.Error("an idle one lives, or a lent one does not")
		}
		ended := make(chan error)
		go func() { ended <- p.Close(t.Context()) }()
		synctest.Wait()
		p.Release(lent, nil)
		if err := <-ended; err != nil || lent.closed.Load() != 1 {
			t.Errorf("%v, closed %d times", err, lent.closed.Load())
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// Many callers, impatient ones among them, while the pool is resized and instances break: nobody shares an instance,
// the bound holds, each is closed once.
func TestHammer(t *testing.T) {
	p, f := newPool(t, pool.Config{Max: 4, MaxCalls: 50, IdleTimeout: 50 * time.Microsecond})
	var inUse, most atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := range 2000 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(300))*time.Microsecond)
				if n%2 == 0 {
					cancel()
					ctx, cancel = context.WithCancel(t.Context())
				}
				i, err := p.Acquire(ctx)
				cancel()
				if err != nil {
					if lattice.CodeOf(err) != lattice.ErrBusy {
						t.Error(err)
					}
					continue
				}
				if i.used.Add(1) != 1 || i.closed.Load() != 0 {
					t.Error("shared or closed")
				}
				if now := inUse.Add(1); now > most.Load() {
					most.Store(now)
				}
				inUse.Add(-1)
				i.used.Add(-1)
				if rand.IntN(20) == 0 {
					err = errors.New("broken")
				}
				p.Release(i, err)
			}
		})
	}
	wg.Go(func() {
		for n := range 2000 {
			p.Resize(uint32(1 + n%4))
			_ = p.Stats()
		}
	})
	wg.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	s := p.Stats()
	var discarded uint64
	for _, n := range s.Discarded {
		discarded += n
	}
	if most.Load() > 4 || s.InUse != 0 || s.Idle != 0 || s.Pending != 0 || s.MemoryBytes != 0 ||
		discarded != s.Created {
		t.Errorf("%d at once, %+v", most.Load(), s)
	}
	for _, i := range f.made {
		if i.closed.Load() != 1 {
			t.Errorf("instance %d was closed %d times", i.n, i.closed.Load())
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	f := &factory{}
	p := pool.New(pool.Config{Max: pool.Unbounded, IdleTimeout: time.Minute}, f.create)
	defer p.Close(context.Background())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i, err := p.Acquire(context.Background())
			if err != nil {
				b.Fatal(err)
			}
			p.Release(i, nil)
		}
	})
}

func TestTryAcquireTakesOnlyWhatIdles(t *testing.T) {
	p, _ := newPool(t, pool.Config{Max: 2})
	ctx := context.Background()
	if _, ok := p.TryAcquire(ctx); ok {
		t.Fatal("an instance although none was made")
	}
	first, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := p.TryAcquire(ctx); ok {
		t.Fatal("an instance although the only one is lent")
	}
	p.Release(first, nil)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, ok := p.TryAcquire(ended); ok {
		t.Fatal("an instance for a call that has ended")
	}
	got, ok := p.TryAcquire(ctx)
	if !ok || got != first {
		t.Fatalf("got %v, %v; want the one that idles", got, ok)
	}
	p.Release(got, nil)
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.TryAcquire(ctx); ok {
		t.Fatal("an instance of a closed pool")
	}
}
