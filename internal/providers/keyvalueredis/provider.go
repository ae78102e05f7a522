// Package keyvalueredis gives actors wasmcloud:keyvalue on Redis.
//
// Links need no Redis to be put: while it is away callers get lattice.ErrUnavailable within about a second, at once
// when it is known to be away, and it heals by itself when Redis is back. A call is never sent twice, so a counter
// never counts twice. Passwords show in no log, error or link state.
package keyvalueredis

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/providers/keyvalue"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Info describes the provider.
var Info = provider.Info{
	Name: "keyvalue-redis", Contract: contract.ID, Version: "0.1.0",
	Description: "wasmcloud:keyvalue on Redis", Operations: keyvalue.Operations,
	Values: linkvalue.KeyvalueRedis,
}

// redisProvider is the provider: a store for each link, over connections that links with equal settings share.
type redisProvider struct {
	log      *slog.Logger
	defaults provider.Values
	readFile certfile.Reader // of files that links name
	service  *keyvalue.Service

	mu      sync.RWMutex
	servers map[settings]*server       // shared by links with equal settings. guarded by mu
	stores  map[lattice.ActorID]*store // guarded by mu
}

// silence keeps the library from writing to standard error past the logger; what it knows is in its errors too.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

var silenceOnce = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

// New makes the provider of a process.
func New(env provider.Env) (provider.Provider, error) {
	silenceOnce()
	defaults, err := linkvalue.KeyvalueRedis.Defaults(env.ConfigJSON)
	if err != nil {
		return nil, err
	}
	service, err := keyvalue.NewService(env.Metrics)
	if err != nil {
		return nil, err
	}
	p := &redisProvider{log: env.Logger, defaults: defaults, readFile: env.ReadFile, service: service,
		servers: map[settings]*server{}, stores: map[lattice.ActorID]*store{}}
	return p, env.Metrics.Register(certfile.NewCollector(p.certificates))
}

// certificates are the files of TLS that are in use.
func (p *redisProvider) certificates() (open []certfile.Expiring) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, srv := range p.servers {
		open = append(open, srv.target.files...)
	}
	return open
}

// PutLink checks the settings. Redis may be away; but when it answers that it refuses the credentials, so does the
// link.
func (p *redisProvider) PutLink(ctx context.Context, link provider.Link) error {
	s, err := p.prepare(ctx, link, true)
	if err != nil {
		return err
	}
	p.exchange(link.Actor, s)
	return nil
}

// ReviseLink is PutLink, but another Redis has to be there before it takes the place of one that may be.
func (p *redisProvider) ReviseLink(ctx context.Context, before, after provider.Link) error {
	s, err := p.prepare(ctx, after, false)
	if err != nil {
		return err
	}
	old := p.exchange(after.Actor, s)
	if old == nil {
		return nil
	}
	if err := old.idle(ctx); err != nil {
		p.log.Warn("calls over the old values of a link go on", lattice.LogActor, before.Actor, lattice.LogErr, err)
	}
	if err := p.release(old.server); err != nil {
		p.log.Warn("connections of a link's old values not closed cleanly", lattice.LogActor, before.Actor,
			lattice.LogErr, err)
	}
	return nil
}

// CheckLink does all that PutLink or ReviseLink does, and undoes it.
func (p *redisProvider) CheckLink(ctx context.Context, before *provider.Link, after provider.Link) error {
	s, err := p.prepare(ctx, after, before == nil)
	if err != nil {
		return err
	}
	return p.release(s.server)
}

// prepare makes the store of a link, which holds its server until release.
func (p *redisProvider) prepare(ctx context.Context, link provider.Link, mayBeAway bool) (*store, error) {
	s, prefix, err := readSettings(link.Values, p.defaults)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	srv := p.servers[s]
	if srv == nil {
		srv, err = newServer(s, p.readFile, p.log)
	}
	if err != nil {
		p.mu.Unlock()
		return nil, err
	}
	known := srv.links > 0
	srv.links++
	p.servers[s] = srv
	p.mu.Unlock()
	switch err := srv.ping(ctx); {
	case errors.Is(err, lattice.ErrDenied), errors.Is(err, lattice.ErrInvalid), err != nil && !mayBeAway && !known:
		return nil, errors.Join(err, p.release(srv))
	case err != nil:
		p.log.Warn("link put while redis is away", lattice.LogActor, link.Actor, lattice.LogErr, err)
	}
	return &store{server: srv, prefix: prefix}, nil
}

// exchange makes s the store of an actor, and returns the one before.
func (p *redisProvider) exchange(actor lattice.ActorID, s *store) (old *store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.stores[actor]
	p.stores[actor] = s
	return old
}

// DelLink forgets a link. The last one of a server closes its connections.
func (p *redisProvider) DelLink(_ context.Context, link provider.Link) error {
	p.mu.Lock()
	s := p.stores[link.Actor]
	delete(p.stores, link.Actor)
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	return p.release(s.server)
}

// release ends a link's use of a server; the last one closes the connections.
func (p *redisProvider) release(srv *server) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if srv.links--; srv.links > 0 {
		return nil
	}
	delete(p.servers, srv.settings)
	return srv.close()
}

// Handle serves an operation of the contract.
func (p *redisProvider) Handle(ctx context.Context, call provider.Call) ([]byte, error) {
	p.mu.RLock()
	s := p.stores[call.Actor]
	if s != nil {
		s.calls.Add(1)
	}
	p.mu.RUnlock()
	if s == nil {
		return nil, lattice.ErrUnlinked
	}
	defer s.calls.Done()
	return p.service.Handle(ctx, s, call)
}

// LinkAway tells what the last call or check of the link's server has found.
func (p *redisProvider) LinkAway(actor lattice.ActorID) (time.Time, error) {
	p.mu.RLock()
	s := p.stores[actor]
	p.mu.RUnlock()
	if s == nil {
		return time.Time{}, nil
	}
	return s.server.isAway()
}

// Health asks every server.
func (p *redisProvider) Health(ctx context.Context) error {
	p.mu.RLock()
	servers := make([]*server, 0, len(p.servers))
	for _, srv := range p.servers {
		servers = append(servers, srv)
	}
	p.mu.RUnlock()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, srv := range servers {
		wg.Go(func() { errs[i] = srv.ping(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Shutdown closes all connections.
func (p *redisProvider) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, srv := range p.servers {
		errs = append(errs, srv.close())
	}
	clear(p.servers)
	clear(p.stores)
	return errors.Join(errs...)
}
