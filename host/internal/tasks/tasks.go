// Package tasks carries out what a host has accepted, in the background.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weftlattice/weft/lattice"
)

// Queue runs work in the background: tasks of one key one after another in the order they came, tasks of different keys
// at the same time. It is how commands are accepted before they are done. Safe for concurrent use.
type Queue struct {
	ctx context.Context // of the tasks; ended by cancel
	end context.CancelFunc
	wg  sync.WaitGroup

	mu     sync.Mutex
	queues map[string][]func(context.Context) // waiting behind the running one; guarded by mu
	count  int                                // that run or wait; guarded by mu
	closed bool                               // guarded by mu
}

// New makes an empty queue.
func New() *Queue {
	ctx, end := context.WithCancel(context.Background())
	return &Queue{ctx: ctx, end: end, queues: map[string][]func(context.Context){}}
}

// ErrStopping refuses work while the host ends.
var ErrStopping = &lattice.Error{Code: lattice.ErrUnavailable, Detail: "the host is stopping"}

// maxTasks is how many tasks may run and wait, so that a flood of commands is refused rather than remembered.
const maxTasks = 1024

// Run queues work under a key, or says why not: ErrStopping, lattice.ErrBusy.
func (t *Queue) Run(key string, work func(context.Context)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return ErrStopping
	case t.count == maxTasks:
		return &lattice.Error{Code: lattice.ErrBusy,
			Detail: fmt.Sprintf("%d commands are in progress, none more accepted",
				maxTasks)}
	}
	t.count++
	if waiting, busy := t.queues[key]; busy {
		t.queues[key] = append(waiting, work)
		return nil
	}
	t.queues[key] = nil
	t.wg.Go(func() {
		for work != nil {
			work(t.ctx)
			work = t.next(key)
		}
	})
	return nil
}

func (t *Queue) next(key string) func(context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count--
	waiting := t.queues[key]
	if len(waiting) == 0 {
		delete(t.queues, key)
		return nil
	}
	t.queues[key] = waiting[1:]
	return waiting[0]
}

// Wait runs work under a key and waits for its result, or until ctx ends; the work goes on then.
func (t *Queue) Wait(ctx context.Context, key string, work func(context.Context) error) error {
	done := make(chan error, 1)
	if err := t.Run(key, func(ctx context.Context) { done <- work(ctx) }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close takes no more work, ends the ctx of what runs when ctx ends, and waits for it.
func (t *Queue) Close(ctx context.Context) error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, t.end)
	t.wg.Wait()
	stop()
	t.end()
	return nil
}

// Each does something to all at the same time and joins the errors.
func Each[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, one := range all {
		wg.Go(func() { errs[i] = do(one) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
