package rpc

import (
	"context"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
)

// intake is a subscription's place on one connection. NATS calls sub.on on one goroutine for each intake, so two may
// call it at once while a subscription moves.
type intake struct {
	nc   *nats.Conn
	sub  *nats.Subscription
	gone chan struct{} // closed when no more messages will come
	once sync.Once
}

// subscribe opens an intake on a connection. The NATS server knows of it after the next flush.
func (sub *Subscription) subscribe(nc *nats.Conn) error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.drained {
		return nil
	}
	in := &intake{nc: nc, gone: make(chan struct{})}
	var err error
	if in.sub, err = nc.QueueSubscribe(sub.ep.Subject, sub.ep.Queue, sub.on); err != nil {
		return err
	}
	// Drain returns before the last message has been handed on; the closed handler comes after it.
	in.sub.SetClosedHandler(func(string) { close(in.gone) })
	sub.intakes = append(sub.intakes, in)
	return nil
}

// unsubscribe closes all intakes at once.
func (sub *Subscription) unsubscribe() {
	for _, in := range sub.end() {
		_ = in.sub.Unsubscribe()
	}
}

// end returns the intakes and lets no more come.
func (sub *Subscription) end() []*intake {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.drained = true
	return append([]*intake{}, sub.intakes...)
}

// drain stops the intake and waits until what reached it has been handed on, or ctx ends. A connection that is lost
// meanwhile delivers nothing more, and nats.go would wait for its return: then the intake is closed at once.
func (in *intake) drain(ctx context.Context) {
	lost := in.nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED)
	defer in.nc.RemoveStatusListener(lost)
	in.once.Do(func() {
		// While the connection is away nothing more will come, and draining would wait for its return.
		if !in.nc.IsConnected() || in.sub.Drain() != nil {
			_ = in.sub.Unsubscribe()
		}
	})
	select {
	case <-in.gone:
	case <-lost:
		_ = in.sub.Unsubscribe()
		select {
		case <-in.gone:
		case <-ctx.Done():
		}
	case <-ctx.Done():
	}
}

// Drain stops taking calls, and waits until those received are answered or ctx ends. No message that reached the
// subscription is lost. It may be called more than once.
func (sub *Subscription) Drain(ctx context.Context) error {
	idle := make(chan struct{})
	go func() {
		var wg sync.WaitGroup
		for _, in := range sub.end() {
			wg.Go(func() { in.drain(ctx) })
		}
		wg.Wait()
		sub.calls.Wait()
		close(idle)
	}()
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		err = fmt.Errorf("drain %s: %d calls unfinished: %w", sub.ep.Subject, sub.Active(), ctx.Err())
	}
	sub.server.targets.CompareAndDelete(sub.ep.Target.PublicKey, sub)
	sub.server.mu.Lock()
	delete(sub.server.subs, sub)
	sub.server.mu.Unlock()
	return err
}

// Move serves all endpoints on another connection. The new subscriptions are there before the old ones end, so that a
// caller always finds one, and what reached the old ones is served. The answers of calls in progress go the new way. It
// returns when nothing more comes on the old connection, which the server then no longer uses, or when ctx ends. When
// the new connection does not take the subscriptions, all stays as it was, which is the error. Moves must not overlap.
func (s *Server) Move(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, reconnectTimeout)
	defer cancel()
	old := s.session.Load()
	s.mu.Lock()
	var moved []*Subscription
	var err error
	for sub := range s.subs {
		if err = sub.subscribe(nc); err != nil {
			break
		}
		moved = append(moved, sub)
	}
	if err == nil { // what is served from now on is served there
		s.session.Store(newSession(nc, s.cfg.Lattice))
	}
	s.mu.Unlock()
	from := old.nc
	if err == nil {
		err = nc.FlushWithContext(ctx)
	}
	if err != nil { // back
		from = nc
		s.session.Store(old)
	}
	var wg sync.WaitGroup
	for _, sub := range moved {
		wg.Go(func() { sub.leave(ctx, from) })
	}
	wg.Wait()
	if err != nil {
		return &lattice.Error{Code: lattice.CodeOf(err), Op: "move to another connection", Err: err}
	}
	return nil
}

// leave ends the intakes on a connection.
func (sub *Subscription) leave(ctx context.Context, nc *nats.Conn) {
	sub.mu.Lock()
	var left []*intake
	for _, in := range sub.intakes {
		if in.nc == nc {
			left = append(left, in)
		}
	}
	sub.mu.Unlock()
	for _, in := range left {
		in.drain(ctx)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	kept := sub.intakes[:0:0]
	for _, in := range sub.intakes {
		if in.nc != nc {
			kept = append(kept, in)
		}
	}
	sub.intakes = kept
}
