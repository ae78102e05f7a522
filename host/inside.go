package host

import (
	"context"
	"io"
	"time"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
)

// Inside runs a built-in provider as goroutines of the host's process, until ctx ends or In does, and returns when all
// of them have ended, except one that reads In. It is under the same supervision as a process. What it returns, or the
// panic of its own goroutine, is an exit: the host tells it by events and starts the provider again. A panic of any
// other goroutine ends the host. It calls provider.Run with ctx, which carries the way between host and provider, and
// with the parts of r.
type Inside func(ctx context.Context, r InsideRun) error

// InsideRun is what a run of a provider in the host has in place of a process's surroundings.
type InsideRun struct {
	In       io.Reader // host data, a line at a time, as a process has it
	Out, Err io.Writer
	Grace    time.Duration // how long its end may take: Config.ProviderGrace
}

// inside is the function that the supervisor calls instead of running a program; nil for a process.
func (p *provider) inside(run Inside) func(context.Context, supervisor.Streams) error {
	if run == nil {
		return nil
	}
	return func(ctx context.Context, s supervisor.Streams) error {
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
		return run(channel.Offer(ctx, theirs), InsideRun{In: s.In, Out: s.Out, Err: s.Err, Grace: p.host.cfg.ProviderGrace})
	}
}

// teller is one way to a provider: a connection, or the end of a channel in this process.
type teller interface {
	Notify(ctx context.Context, message []byte) error
	Done() <-chan struct{}
}

// tellActors waits until the provider wants to know which actors are served here, and tells it until the way is down.
func (p *provider) tellActors(to teller, wants <-chan struct{}) {
	select {
	case <-wants:
		p.host.announce(to)
	case <-to.Done():
	}
}

// channelConfig is how this host serves a channel of the provider; wants gets a value when the provider wants to know
// the actors.
func (p *provider) channelConfig() (config channel.Config, wants <-chan struct{}) {
	subscribe := make(chan struct{}, 1)
	return channel.Config{Inline: true, MaxBytes: rpc.DefaultMaxBytes, Budget: p.host.large, Logger: p.host.log.With(lattice.LogProvider, p.name, lattice.LogLink, p.link),
		Admit: p.admit, Handler: p.host.serveLocal, Notice: func(b []byte) {
			if string(b) == channel.WantActors {
				select {
				case subscribe <- struct{}{}:
				default:
				}
			} else if f, ok := channel.DecodeFailure(b); ok {
				f.Caller, f.Contract, f.LinkName = string(p.id), p.contract, p.link
				p.host.failures.Told(f, p.host.state.Linked(f.ActorID, p.id, p.link))
			}
		}}, subscribe
}
