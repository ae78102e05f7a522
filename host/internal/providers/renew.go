package providers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// tellTimeout is how long a provider may take to take over keys and credentials. It finishes calls that are under way
// on its old connection first.
const tellTimeout = 90 * time.Second

// Renew tells the providers of new keys and credentials. changed says that there are any; without, those are told that
// lack what came before. The caller holds Config.Renewing.
func (ps *Providers) Renew(ctx context.Context, changed bool) error {
	if changed {
		ps.generation.Add(1)
	}
	return ps.tellAll(ctx)
}

// tellAll gives those that run what they do not have yet. Those that listen are told at the same time. The others
// are started anew, one after another, so that of several on one host only one is away at a time.
func (ps *Providers) tellAll(ctx context.Context) error {
	var mu sync.Mutex
	var deaf []*Provider // guarded by mu
	err := tasks.Each(ps.list(), func(p *Provider) error {
		if p.told.Load() == ps.generation.Load() || !p.serves() {
			return nil // the start to come gives it what is new
		}
		listens, err := p.tell(ctx)
		if !listens {
			mu.Lock()
			deaf = append(deaf, p)
			mu.Unlock()
		}
		return err
	})
	for _, p := range deaf {
		p.cfg.Logger.Info("provider is started anew: it takes no keys while it runs", lattice.LogProvider, p.name,
			lattice.LogLink, p.link)
		if e := p.supervised().Renew(ctx, "new keys"); e != nil {
			err = errors.Join(err, fmt.Errorf("provider %s: %w", p.name, e))
		}
	}
	return err
}

// tell gives the process the present host data. It reports whether the process listens at all.
func (p *Provider) tell(ctx context.Context) (listens bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	generation := p.all.generation.Load()
	answer, err := p.supervised().Tell(ctx, p.hostData(nil, ""))
	switch {
	case errors.Is(err, supervisor.ErrDeaf), lattice.CodeOf(err) == lattice.ErrTimeout, err == nil &&
		answer == wire.RestartLine:
		return false, nil
	case err != nil:
		return true, fmt.Errorf("provider %s: %w", p.name, err)
	}
	p.told.Store(generation)
	select { // a link may have come while it reconnected
	case p.kick <- struct{}{}:
	default:
	}
	return true, nil
}

// firstLine is the host data of a process that starts.
func (p *Provider) firstLine() []byte {
	p.own.forget()
	p.opened.Store(false)
	p.told.Store(p.all.generation.Load()) // before the data: what changes now is told again
	return p.hostData(p.offerChannel(), p.offerProfile())
}

// catchUp tells the process what has changed since it was started, if anything has.
func (p *Provider) catchUp() {
	if p.told.Load() == p.all.generation.Load() {
		return
	}
	p.cfg.Tasks.Run("keys of providers", func(ctx context.Context) {
		if p.cfg.Renewing.Acquire(ctx) != nil {
			return
		}
		defer p.cfg.Renewing.Release()
		if err := p.all.tellAll(ctx); err != nil {
			p.cfg.Logger.Warn("provider has not got new keys", lattice.LogErr, err)
		}
	})
}

func (p *Provider) supervised() *supervisor.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}

// hostData is the line that the process gets, with the links of this moment and, where it starts, its local channel and
// where to serve profiles.
func (p *Provider) hostData(local *wire.Channel, profile string) []byte {
	c, keys, access := p.cfg, p.cfg.Keys(), p.nats()
	return wire.HostData{
		HostID: p.cfg.Self.ID, LatticeRPCPrefix: c.Self.Lattice, LinkName: p.link,
		LatticeRPCUserJWT: access.jwt, LatticeRPCUserSeed: access.seed, LatticeRPCURL: access.url,
		ProviderKey: p.id, InvocationSeed: keys.Seed, InstanceID: p.instanceID,
		LinkDefinitions: p.cfg.State.Of(p.id, p.link), ClusterIssuers: keys.Trusted, ConfigJSON: p.config,
		DefaultRPCTimeoutMS: uint64(c.RPCTimeout.Milliseconds()), StructuredLogging: c.StructuredLogging,
		Channel: local, NATS: c.Access.direct(access), ProfileSocket: profile, FilesDirs: c.FilesDirs,
		JSDomain: c.JSDomain,
	}.Encode()
}
