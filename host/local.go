package host

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// Calls between parts of one host go over no network and need no signature. Between an actor and a provider they take
// the provider's channel; between two actors they are function calls. They pass the same gate (rpc.Subscription.Serve)
// as calls over NATS, and so the same checks, limits, metrics and errors. See RATIONALE.md, "Why a local channel?".

// maxChannels bounds the connections of one provider process.
const maxChannels = 64

// slowCall is how long the calls of an actor take on average from where on they are not served on the goroutine that
// reads a channel.
const slowCall = 200 * time.Microsecond

// maxNested bounds how deep actors of this host call each other as functions: of nested calls, one in so many goes over
// NATS, where nothing is kept on a stack.
const maxNested = 16

// local is the host's end of all channels.
type local struct {
	listener *channel.Listener // nil: there are none
	conns    sync.WaitGroup
}

// openLocal listens for the channels of providers. A host that cannot goes on without: calls go over NATS.
func (h *Host) openLocal(opened func(func(context.Context) error)) {
	base := h.dir("run") // else below TMPDIR, where many machines remove files that were not touched for days
	if base != "" {
		if err := os.MkdirAll(base, 0o700); err != nil {
			base = ""
		}
	}
	l, err := channel.Listen(base, h.log)
	if err != nil {
		h.log.Warn("providers have no local channel; calls go over NATS", lattice.LogErr, err)
		return
	}
	h.local.listener = l
	opened(func(context.Context) error {
		err := l.Close()
		h.local.conns.Wait()
		return err
	})
}

// offerChannel makes credentials for the next process of the provider; those of the last one are void.
func (p *provider) offerChannel() *wire.Channel {
	l := p.host.local.listener
	if l == nil || p.run != nil {
		return nil
	}
	c := l.Offer(p.accept)
	p.mu.Lock()
	last := p.channelID
	p.channelID = c.ID
	p.mu.Unlock()
	if last != "" {
		l.Withdraw(last)
	}
	return &c
}

// accept takes a connection of the provider's process.
func (p *provider) accept(nc net.Conn) {
	h := p.host
	config, wants := p.channelConfig()
	conn := channel.New(nc, config)
	h.local.conns.Go(func() {
		if len(p.channel.All()) < maxChannels {
			p.channel.Add(conn)
			p.opened.Store(true)
			p.tellActors(conn, wants)
			<-conn.Done()
			p.channel.Remove(conn)
		}
		ctx, cancel := context.WithTimeout(context.Background(), h.cfg.DrainTimeout)
		defer cancel()
		_ = conn.Close(ctx)
	})
}

// closeChannel ends what the provider's process may still have open.
func (p *provider) closeChannel() {
	p.mu.Lock()
	id := p.channelID
	p.channelID = ""
	p.mu.Unlock()
	if l := p.host.local.listener; l != nil && id != "" {
		l.Withdraw(id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range p.channel.All() {
		_ = c.Close(ctx)
	}
}

// admit checks once per route that a provider calls in its own name.
func (p *provider) admit(origin, target wire.Entity) error {
	if origin.PublicKey == string(p.id) && origin.LinkName == p.link {
		return nil
	}
	err := &lattice.Error{Code: lattice.ErrDenied, Op: "call", Entity: lattice.Printable(target.PublicKey),
		Detail: "provider " + string(p.id) + " calls as " + lattice.Printable(origin.PublicKey) + ", link name " + lattice.Printable(origin.LinkName)}
	p.host.observe(context.Background(), nil, 0, err)
	return err
}

// serveLocal serves a call that a provider of this host makes. What is not here, or not free here while it may be so
// elsewhere, is lattice.ErrNoResponders: the caller then goes over NATS.
func (h *Host) serveLocal(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	a := h.actor(inv.Target.Actor())
	if a == nil {
		return nil, notHere(inv.Target)
	}
	sub := a.sub.Load()
	if sub == nil {
		return nil, notHere(inv.Target)
	}
	if waits := sub.Active() >= a.instances(); waits && !channel.Stays(ctx) && !h.company.Alone() {
		return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: string(a.id), Detail: "no instance is free on this host"}
	} else if waits || a.slow() {
		channel.Yield(ctx)
	}
	return sub.Serve(ctx, inv)
}

func notHere(e wire.Entity) error {
	return &lattice.Error{Code: lattice.ErrNoResponders, Op: "call", Entity: lattice.Printable(e.PublicKey), Detail: "it is not on this host"}
}

// callLocal makes a call to an actor or provider on this host. It reports false when the call has not begun and may be
// made over NATS.
func (h *Host) callLocal(ctx context.Context, call rpc.Call, stay bool) (result []byte, err error, done bool) {
	if call.Target.IsActor() {
		return h.callActor(ctx, call, stay)
	}
	p := h.provider(providerKey{call.Target.Provider(), call.Target.LinkName})
	if p == nil || !p.channel.Up() {
		return nil, notHere(call.Target), false
	}
	result, err = p.channel.Call(ctx, &channel.Call{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Payload: call.Payload, Stay: stay}, h.cfg.RPCTimeout)
	return result, err, !channel.Elsewhere(err)
}

// callActor calls an actor of this host as a function.
func (h *Host) callActor(ctx context.Context, call rpc.Call, stay bool) (result []byte, err error, done bool) {
	depth, err := invocation.Deeper(ctx)
	if err != nil {
		return nil, err, true
	}
	a := h.actor(call.Target.Actor())
	if a == nil || depth%maxNested == 0 && depth > 0 {
		return nil, notHere(call.Target), false
	}
	sub := a.sub.Load()
	if sub == nil || !stay && sub.Active() >= a.instances() && !h.company.Alone() {
		return nil, notHere(call.Target), false
	}
	fail := func(code lattice.Code) error {
		return &lattice.Error{Code: code, Op: "call " + call.Operation + " of", Entity: call.Target.PublicKey}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.cfg.RPCTimeout)
		defer cancel()
	}
	if tc, ok := trace.From(ctx); ok {
		ctx = trace.With(ctx, tc.Child())
	}
	ctx = invocation.WithDepth(ctx, depth)
	result, err = sub.Serve(ctx, &wire.Invocation{Origin: call.Origin, Target: call.Target, Operation: call.Operation, Msg: call.Payload,
		ContentLength: uint64(len(call.Payload)), HostID: h.node.ID})
	switch {
	case err == nil:
		return result, nil, true
	case ctx.Err() != nil: // as it is for a caller over NATS, which waits no longer
		return nil, fail(lattice.CodeOf(ctx.Err())), true
	case lattice.CodeOf(err) == lattice.ErrNoResponders && invocation.NotBegun(err):
		return nil, err, false
	}
	return nil, invocation.AsRemote(err), true
}

// announce tells a provider which actors are served here, and that the host lives, until the connection ends.
func (h *Host) announce(conn teller) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	told := map[lattice.ActorID]bool{}
	beat := time.NewTicker(channel.BeatPeriod)
	defer beat.Stop()
	for {
		change := h.revision.ActorsChange()
		var come, gone []lattice.ActorID
		now := map[lattice.ActorID]bool{}
		for _, a := range h.allActors() {
			if a.sub.Load() != nil {
				now[a.id] = true
				if !told[a.id] {
					come = append(come, a.id)
				}
			}
		}
		for id := range told {
			if !now[id] {
				gone = append(gone, id)
			}
		}
		told = now
		for _, notice := range append(channel.EncodeActors(true, come), channel.EncodeActors(false, gone)...) {
			if conn.Notify(ctx, notice) != nil {
				return
			}
		}
		for again := false; !again; {
			select {
			case <-change:
				again = true
			case <-beat.C:
				if conn.Notify(ctx, []byte(channel.Beat)) != nil {
					return
				}
			case <-conn.Done():
				return
			}
		}
	}
}
