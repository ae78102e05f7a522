package controlserver

import (
	"context"
	"sync"
)

// lane runs jobs, so many at once. Jobs of one key run one after another in the order of their coming; jobs without a
// key do not wait for each other. It is safe for concurrent use.
type lane struct {
	slots  chan struct{}
	limit  int // of jobs waiting and running
	wg     sync.WaitGroup
	mu     sync.Mutex
	size   int                 // guarded by mu
	queues map[string][]func() // what waits behind a running job; the key is there while one runs. guarded by mu
	closed bool                // guarded by mu
}

func newLane(concurrent, limit int) *lane {
	return &lane{slots: make(chan struct{}, concurrent), limit: limit, queues: make(map[string][]func())}
}

// submit reports false when the lane is full or closed.
func (l *lane) submit(key string, job func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.size >= l.limit {
		return false
	}
	l.size++
	if key != "" {
		if waiting, busy := l.queues[key]; busy {
			l.queues[key] = append(waiting, job)
			return true
		}
		l.queues[key] = nil
	}
	l.wg.Go(func() { l.run(key, job) })
	return true
}

func (l *lane) run(key string, job func()) {
	for job != nil {
		l.slots <- struct{}{}
		job()
		<-l.slots
		job = l.next(key)
	}
}

func (l *lane) next(key string) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size--
	if key == "" {
		return nil
	}
	waiting := l.queues[key]
	if len(waiting) == 0 {
		delete(l.queues, key)
		return nil
	}
	l.queues[key] = waiting[1:]
	return waiting[0]
}

// drain takes no more jobs and waits for the others. When ctx ends first it calls cancel, which is to end the running
// jobs, and goes on waiting.
func (l *lane) drain(ctx context.Context, cancel func()) error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		cancel()
		<-done
		return ctx.Err()
	}
}
