// Package acceptor takes the connections of a listener, serves each on a goroutine of its own, and ends them together.
package acceptor

import (
	"errors"
	"net"
	"sync"
	"time"
)

// retryPause is how long an Acceptor rests when no connection can be accepted, for want of file descriptors perhaps.
const retryPause = 100 * time.Millisecond

// Acceptor owns a listener and its connections. It is safe for concurrent use.
type Acceptor struct {
	listen net.Listener
	wg     sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]struct{} // guarded by mu
	ended bool                  // guarded by mu
}

// New makes an Acceptor of a listener. The caller closes the Acceptor, which closes l.
func New(l net.Listener) *Acceptor {
	return &Acceptor{listen: l, open: map[net.Conn]struct{}{}}
}

// Start begins to accept connections, once. serve gets each on a goroutine of its own; the connection is closed when
// serve returns. fault hears of connections that could not be accepted, which is tried again.
func (a *Acceptor) Start(serve func(net.Conn), fault func(error)) {
	a.wg.Go(func() {
		for {
			c, err := a.listen.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
				fault(err)
				time.Sleep(retryPause)
				continue
			case !a.Keep(c):
				return
			}
			a.wg.Go(func() {
				defer a.Drop(c)
				serve(c)
			})
		}
	})
}

// Addr is where the listener listens.
func (a *Acceptor) Addr() net.Addr { return a.listen.Addr() }

// Len is the number of connections that are kept.
func (a *Acceptor) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.open)
}

// Keep notes a further connection, which Close ends with the others. After Stop it closes the connection and returns
// false.
func (a *Acceptor) Keep(c net.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		_ = c.Close()
		return false
	}
	a.open[c] = struct{}{}
	return true
}

// Drop closes a connection and forgets it.
func (a *Acceptor) Drop(c net.Conn) {
	_ = c.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.open, c)
}

// Stop accepts no more connections; those that are open go on. Stopping twice is no error.
func (a *Acceptor) Stop() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	if err := a.listen.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close stops, ends all connections, and waits until all that was served has returned. Closing twice is no error.
func (a *Acceptor) Close() error {
	err := a.Stop()
	a.mu.Lock()
	for c := range a.open {
		_ = c.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
	return err
}
