package host

import (
	"context"
	"sync"
)

// tasks runs work in the background: tasks of one key one after another in the order they came, tasks of different keys
// at the same time. It is how commands are accepted before they are done. Safe for concurrent use.
type tasks struct {
	ctx context.Context // of the tasks; ended by cancel
	end context.CancelFunc
	wg  sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]func(context.Context) // waiting behind the running one; guarded by mu
	closed bool                               // guarded by mu
}

func newTasks() *tasks {
	ctx, end := context.WithCancel(context.Background())
	return &tasks{ctx: ctx, end: end, queues: map[string][]func(context.Context){}}
}

// run queues work under a key. It reports false when the host is stopping.
func (t *tasks) run(key string, work func(context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if waiting, busy := t.queues[key]; busy {
		t.queues[key] = append(waiting, work)
		return true
	}
	t.queues[key] = nil
	t.wg.Go(func() {
		for work != nil {
			work(t.ctx)
			work = t.next(key)
		}
	})
	return true
}

func (t *tasks) next(key string) func(context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.queues[key]
	if len(waiting) == 0 {
		delete(t.queues, key)
		return nil
	}
	t.queues[key] = waiting[1:]
	return waiting[0]
}

// wait runs work under a key and waits for its result, or until ctx ends; the work goes on then.
func (t *tasks) wait(ctx context.Context, key string, work func(context.Context) error) error {
	done := make(chan error, 1)
	if !t.run(key, func(ctx context.Context) { done <- work(ctx) }) {
		return errStopping
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close takes no more work, ends the ctx of what runs when ctx ends, and waits for it.
func (t *tasks) close(ctx context.Context) {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, t.end)
	t.wg.Wait()
	stop()
	t.end()
}
