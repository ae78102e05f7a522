package tasks

import "context"

// Lock is a mutex for work that takes long: the wait for it ends with a context.
type Lock struct{ held chan struct{} }

// NewLock makes a lock that nothing holds.
func NewLock() *Lock { return &Lock{make(chan struct{}, 1)} }

// Acquire waits for the lock, until ctx ends: then it returns the error of ctx, and the lock is another's.
func (l *Lock) Acquire(ctx context.Context) error {
	select {
	case l.held <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TryAcquire takes the lock unless it is another's, and reports whether it did.
func (l *Lock) TryAcquire() bool {
	select {
	case l.held <- struct{}{}:
		return true
	default:
		return false
	}
}

// Release gives back the lock.
func (l *Lock) Release() { <-l.held }
