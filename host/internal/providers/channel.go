package providers

import (
	"context"
	"net"
	"time"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// maxChannels bounds the connections of one provider process: each costs the host buffers and goroutines.
const maxChannels = 64

// offerChannel makes credentials for the next process of the provider; those of the last one are void.
func (p *Provider) offerChannel() *wire.Channel {
	l := p.all.listener
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
func (p *Provider) accept(nc net.Conn) {
	config, wants := p.channelConfig()
	conn := channel.New(nc, config)
	p.all.conns.Go(func() {
		if len(p.channel.All()) < maxChannels {
			p.channel.Add(conn)
			p.opened.Store(true)
			p.tellActors(conn, wants)
			<-conn.Done()
			p.channel.Remove(conn)
		}
		ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Drain)
		defer cancel()
		_ = conn.Close(ctx)
	})
}

// closeChannel ends what the provider's process may still have open. The process has ended, so connections are closed
// without the grace for calls in progress.
func (p *Provider) closeChannel() {
	p.mu.Lock()
	id := p.channelID
	p.channelID = ""
	p.mu.Unlock()
	if l := p.all.listener; l != nil && id != "" {
		l.Withdraw(id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range p.channel.All() {
		_ = c.Close(ctx)
	}
}

// admit checks once per route that a provider calls in its own name. The channel's secret says which process calls, and
// no signature does: a process must not be able to speak for another provider or for an actor.
func (p *Provider) admit(origin, target wire.Entity) error {
	if origin.PublicKey == string(p.id) && origin.LinkName == p.link {
		return nil
	}
	err := &lattice.Error{Code: lattice.ErrDenied, Op: "call", Entity: lattice.Printable(target.PublicKey),
		Detail: "provider " + string(p.id) + " calls as " + lattice.Printable(origin.PublicKey) + ", link name " +
			lattice.Printable(origin.LinkName)}
	p.cfg.Observe(context.Background(), nil, 0, err)
	return err
}

// inside is the function that the supervisor calls instead of running a program; nil for a process.
func (p *Provider) inside(run Inside) func(context.Context, supervisor.Streams) error {
	if run == nil {
		return nil
	}
	return func(ctx context.Context, s supervisor.Streams) error {
		// The window is that of as many connections as a process may open: here one pair is all there is.
		mine, theirs := channel.Pair()
		config, wants := p.channelConfig()
		config.Window = maxChannels * channel.DefaultWindow
		mine.Serve(config)
		p.channel.Join(mine)
		defer p.channel.Join(nil)
		told := make(chan struct{})
		defer func() { <-told }()
		defer mine.Close()
		go func() {
			defer close(told)
			p.tellActors(mine, wants)
		}()
		return run(channel.Offer(ctx, theirs), s)
	}
}

// tellActors waits until the provider wants to know which actors are served here, and tells it until the way is down.
func (p *Provider) tellActors(to teller, wants <-chan struct{}) {
	select {
	case <-wants:
		p.announce(to)
	case <-to.Done():
	}
}

// channelConfig is how this host serves a channel of the provider; wants gets a value when the provider wants to know
// the actors.
func (p *Provider) channelConfig() (config channel.Config, wants <-chan struct{}) {
	subscribe := make(chan struct{}, 1)
	return channel.Config{Inline: true, MaxBytes: invocation.DefaultMaxBytes, Budget: p.cfg.Budget,
		Streams: p.cfg.Streams,
		Logger:  p.cfg.Logger.With(lattice.LogProvider, p.name, lattice.LogLink, p.link),
		Admit:   p.admit, Handler: p.cfg.Actors.ServeLocal, Notice: func(b []byte) {
			if string(b) == channel.WantStreams {
				p.streams.Store(true)
			} else if string(b) == channel.TakesStreams {
				if !p.takes.Swap(true) {
					p.cfg.Served.Changed()
				}
			} else if string(b) == channel.WantActors {
				select {
				case subscribe <- struct{}{}:
				default:
				}
			} else if f, ok := channel.DecodeFailure(b); ok {
				f.Caller, f.Contract, f.LinkName = string(p.id), p.contract, p.link
				p.cfg.Failures.Told(f, p.cfg.State.Linked(f.ActorID, p.id, p.link))
			}
		}}, subscribe
}

// teller is one way to a provider: a connection, or the end of a channel in this process.
type teller interface {
	Notify(ctx context.Context, message []byte) error
	Done() <-chan struct{}
}

// announce tells a provider which actors are served here, and that the host lives, until the connection ends. It tells
// differences. The channel for changes is taken before the actors are read, so that a change between the two is not
// missed: it leads to another round.
func (p *Provider) announce(conn teller) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	told := map[lattice.ActorID]channel.Change{}
	beat := time.NewTicker(channel.BeatPeriod)
	defer beat.Stop()
	for {
		change := p.cfg.Served.ActorsChange()
		changed := map[channel.Change][]lattice.ActorID{}
		now := map[lattice.ActorID]channel.Change{}
		for _, id := range p.cfg.Actors.Served() {
			now[id] = channel.Come
			if p.streams.Load() && p.cfg.Actors.Streams(id) {
				now[id] = channel.Stream
			}
			if told[id] != now[id] {
				changed[now[id]] = append(changed[now[id]], id)
			}
		}
		for id := range told {
			if now[id] == 0 {
				changed[channel.Gone] = append(changed[channel.Gone], id)
			}
		}
		told = now
		for what, ids := range changed {
			for _, notice := range channel.EncodeActors(what, ids) {
				if conn.Notify(ctx, notice) != nil {
					return
				}
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
