package artifact

import (
	"context"
	"sync"
)

// flights lets callers that want the same thing at the same time share one fetch. The fetch ends when the last of them
// has gone away, and only then.
type flights struct {
	mu      sync.Mutex
	flights map[string]*flight // guarded by mu
	wg      sync.WaitGroup
}

type flight struct {
	waiting int // guarded by flights.mu
	cancel  context.CancelFunc
	done    chan struct{}
	result  Artifact
	err     error
}

// do returns what fetch returns, or ctx's error. fetch runs with the values of the first caller's context.
func (f *flights) do(ctx context.Context, key string, fetch func(context.Context) (Artifact, error)) (Artifact, error) {
	f.mu.Lock()
	fl, ok := f.flights[key]
	if !ok {
		run, cancel := context.WithCancel(context.WithoutCancel(ctx))
		fl = &flight{cancel: cancel, done: make(chan struct{})}
		if f.flights == nil {
			f.flights = map[string]*flight{}
		}
		f.flights[key] = fl
		f.wg.Go(func() {
			defer cancel()
			fl.result, fl.err = fetch(run)
			f.forget(key, fl)
			close(fl.done)
		})
	}
	fl.waiting++
	f.mu.Unlock()
	select {
	case <-fl.done:
		return fl.result, fl.err
	case <-ctx.Done():
	}
	f.mu.Lock()
	if fl.waiting--; fl.waiting == 0 {
		fl.cancel()
		if f.flights[key] == fl {
			delete(f.flights, key) // the next one starts anew
		}
	}
	f.mu.Unlock()
	return Artifact{}, ctx.Err()
}

func (f *flights) forget(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flights[key] == fl {
		delete(f.flights, key)
	}
}

// wait returns when no fetch is under way.
func (f *flights) wait() { f.wg.Wait() }
