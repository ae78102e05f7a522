package rpc

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// ServeDirect serves the endpoints of the server, present and later ones, on one more subject, for weft nodes that mean
// this host. The invocation names the target. A target that is not served here is lattice.ErrNoResponders, so that the
// caller looks for it elsewhere. ask returns what is served, see wire.Served; it must not block.
func (s *Server) ServeDirect(subject string, ask func() []byte) (*Subscription, error) {
	sub := &Subscription{server: s, ep: Endpoint{Subject: subject, Queue: subject}}
	sub.on = func(msg *nats.Msg) { s.receiveDirect(msg, ask) }
	if err := s.open(sub); err != nil {
		return nil, err
	}
	return sub, nil
}

// TakesDirect reports whether somebody serves a subject by ServeDirect.
func TakesDirect(ctx context.Context, nc *nats.Conn, subject string) bool {
	_, err := AskServed(ctx, nc, subject)
	return err == nil
}

// AskServed asks the host that serves a subject by ServeDirect what it serves, and returns the answer as it is.
func AskServed(ctx context.Context, nc *nats.Conn, subject string) ([]byte, error) {
	reply, err := nc.RequestMsgWithContext(ctx,
		&nats.Msg{Subject: subject, Header: nats.Header{headerAsk: {askServed}}})
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

// receiveDirect runs on a callback goroutine, so it must not block. It decodes, for the target's own bound to decide.
func (s *Server) receiveDirect(msg *nats.Msg, ask func() []byte) {
	if v := msg.Header[headerAsk]; len(v) > 0 && v[0] == askServed {
		_ = msg.Respond(ask()) // a caller that does not hear it asks again
		return
	}
	if isFrame(msg.Data) {
		s.cfg.Streams.receive(msg.Data)
		return
	}
	inv, err := wire.DecodeInvocation(msg.Data)
	if err != nil {
		s.answer(s.ctx, msg, nil, nil, 0, err, false)
		return
	}
	v, _ := s.targets.Load(inv.Target.PublicKey)
	sub, _ := v.(*Subscription)
	flow := s.expect(inv, msg)
	if sub == nil || !sub.accept(msg, inv, flow) {
		flow.drop()
		s.answer(s.refused(msg, inv), msg, inv, nil, 0, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call",
			Entity: lattice.Printable(inv.Target.PublicKey),
			Detail: "it is not served on this host any more"}, true)
	}
}

// accept takes a call that did not come by the endpoint's own subject, unless that has been drained.
func (sub *Subscription) accept(msg *nats.Msg, inv *wire.Invocation, flow *flow) bool {
	if n, waits := sub.queue.Enter(); waits {
		if err := sub.waitFor(n, msg, inv); err != nil {
			sub.queue.Leave(false)
			flow.drop()
			sub.server.answer(sub.server.refused(msg, inv), msg, inv, nil, 0, err, true)
			return true
		}
	}
	sub.mu.Lock()
	if sub.drained {
		sub.mu.Unlock()
		sub.queue.Leave(false)
		return false
	}
	sub.calls.Add(1) // with the lock held: Drain waits for calls afterwards
	sub.mu.Unlock()
	sub.server.crew.Start(job{sub, msg, inv, flow})
	return true
}
