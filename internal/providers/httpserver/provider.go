// Package httpserver gives actors wasmcloud:httpserver: it turns HTTP requests into invocations of the linked actors.
//
// One listener serves the links of one address. The link whose host fits best and whose path is the longest prefix gets
// the request, with its full path. A second link to the same address, host and path is refused with
// lattice.ErrConflict; so is one that wants the address with other TLS settings, timeouts, limits or trusted proxies.
// Routes change without closing the listener; it closes, after the requests in progress, when its last link goes.
//
// Answers of the provider itself are JSON: {"error", "code", "trace_id"}. Their status: 404 for no route or actor link,
// 405 in read-only mode, 413 and 431 for too much body and header, 502 for a response that cannot be used, 503 with
// Retry-After for timeouts, busy, absent and unavailable actors, 500 for the failures of an actor.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Info describes the provider.
var Info = provider.Info{
	Name: "httpserver", Contract: contract.ID, Version: "0.1.0",
	Description: "serves HTTP and calls the linked actors",
	Values:      linkvalue.HTTPServer,
}

// httpProvider is the provider: routes of links, and a listener for each address that they name. Links of one address
// share its listener.
type httpProvider struct {
	env      provider.Env
	log      *slog.Logger
	defaults provider.Values
	metrics  *metrics
	routes   map[lattice.ActorID]*route // used by link events only, which come one at a time

	mu        sync.Mutex
	listeners map[string]*listener // by address. guarded by mu
}

// New makes the provider of a process.
func New(env provider.Env) (provider.Provider, error) {
	defaults, err := linkvalue.HTTPServer.Defaults(env.ConfigJSON)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(env.Metrics)
	if err != nil {
		return nil, err
	}
	p := &httpProvider{env: env, log: env.Logger, defaults: defaults, metrics: m,
		routes: map[lattice.ActorID]*route{}, listeners: map[string]*listener{}}
	return p, env.Metrics.Register(certfile.NewCollector(p.certificates))
}

// certificates are those of the listeners.
func (p *httpProvider) certificates() (open []certfile.Expiring) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.listeners {
		if l.cert != nil {
			open = append(open, l.cert)
		}
	}
	return open
}

// Handle is never called: the contract has no operations of the provider.
func (p *httpProvider) Handle(context.Context, provider.Call) ([]byte, error) {
	return nil, lattice.ErrNotFound
}

// PutLink opens the route of a link, and its listener if it is the first.
func (p *httpProvider) PutLink(ctx context.Context, link provider.Link) error {
	return p.install(ctx, link, nil)
}

// ReviseLink replaces a route; requests see the old one or the new one, and the old one stays when the new one cannot
// be. A listener with other settings, or on an address that overlaps, takes over before the old one ends.
func (p *httpProvider) ReviseLink(ctx context.Context, before, after provider.Link) error {
	return p.install(ctx, after, p.routes[before.Actor])
}

// CheckLink does all that opening a route takes, and undoes it.
func (p *httpProvider) CheckLink(ctx context.Context, before *provider.Link, after provider.Link) error {
	var old *route
	if before != nil {
		old = p.routes[before.Actor]
	}
	o, err := p.prepare(ctx, after, old)
	if err == nil && o.fresh {
		o.listener.abandon()
	}
	return err
}

// DelLink takes a route away and waits for its requests; the last route closes the listener.
func (p *httpProvider) DelLink(ctx context.Context, link provider.Link) error {
	r := p.routes[link.Actor]
	if r == nil {
		return nil
	}
	delete(p.routes, link.Actor)
	p.metrics.forget(link.Actor)
	return p.remove(ctx, r)
}

// Shutdown closes every listener, after the requests in progress or when ctx ends.
func (p *httpProvider) Shutdown(ctx context.Context) error {
	p.mu.Lock()
	listeners := slices.Collect(maps.Values(p.listeners))
	clear(p.listeners)
	p.mu.Unlock()
	errs := make([]error, len(listeners))
	var wg sync.WaitGroup
	for i, l := range listeners {
		wg.Go(func() { errs[i] = l.close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Health fails when a listener has died.
func (p *httpProvider) Health(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.listeners {
		if err := l.failure(); err != nil {
			return err
		}
	}
	return nil
}

// opening is a route that can be opened.
type opening struct {
	route    *route
	listener *listener
	fresh    bool      // the listener is new, and does not serve yet
	replaces *listener // that it takes over from; nil for none
}

// prepare finds out whether a route can be opened in the place of old, which may be nil or have another address, and
// opens the listener that it needs. Nothing that serves has changed when it returns.
func (p *httpProvider) prepare(ctx context.Context, link provider.Link, old *route) (o opening, err error) {
	s, err := readSettings(link.Values, p.defaults)
	if err != nil {
		return o, err
	}
	o.route = &route{settings: s, actor: link.Actor}
	for _, l := range p.overlapping(s.address) {
		others := slices.DeleteFunc(l.table.Load().all(), func(r *route) bool { return r == old })
		switch {
		case l.address == s.address:
			if err := conflict(o.route, others); err != nil {
				return o, err
			}
			if len(others) > 0 || l.settings == s.listen {
				o.listener = l
			} else { // its own listener, with other settings
				o.replaces = l
			}
		case len(others) > 0:
			return o, &lattice.Error{Code: lattice.ErrConflict, Op: "link", Entity: string(link.Actor),
				Detail: "actor " + string(others[0].actor) + " has " + l.address + ", which overlaps with " +
					s.address + "; set the same address or another port in one of the two links"}
		default: // old is all it has
			o.replaces = l
		}
	}
	if o.listener == nil {
		h := &handler{env: p.env, log: p.log, metrics: p.metrics, warnings: rate.NewLimiter(warnPerSecond, warnBurst)}
		o.listener, err = openListener(ctx, s, h, o.replaces, p.log)
		o.fresh = err == nil
	}
	return o, err
}

// install opens a route in the place of old, which may be nil or have another address.
func (p *httpProvider) install(ctx context.Context, link provider.Link, old *route) error {
	o, err := p.prepare(ctx, link, old)
	if err != nil {
		return err
	}
	o.route.counts = p.metrics.of(link.Actor)
	p.routes[link.Actor] = o.route
	o.listener.replace(old, o.route)
	if o.fresh {
		p.mu.Lock()
		p.listeners[o.listener.address] = o.listener
		p.mu.Unlock()
		o.listener.serve(p.log)
	}
	switch {
	case old == nil:
		return nil
	case o.replaces != nil: // it finishes what has come to it
		pause(ctx, drainPause)
		o.replaces.intake.release()
		pause(ctx, drainPause)
		err = p.closeListener(ctx, o.replaces)
	case old.address == o.route.address:
		old.retire() // its requests in progress end by themselves
	default:
		err = p.remove(ctx, old)
	}
	if err != nil { // the new route serves nevertheless
		p.log.Warn("requests of a changed link go on", lattice.LogActor, link.Actor, lattice.LogErr, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// conflict says why a route cannot be beside the others on its address.
func conflict(r *route, others []*route) error {
	for _, o := range others {
		e := &lattice.Error{Code: lattice.ErrConflict, Op: "link", Entity: string(r.actor)}
		switch {
		case o.host == r.host && o.path == r.path:
			e.Detail = r.where() + " is taken by actor " + string(o.actor) +
				"; set another path, host or port in one of the two links"
		case o.listen != r.listen:
			e.Detail = "actor " + string(o.actor) + " has " + r.address +
				" with other TLS settings, timeouts, limits or trusted proxies; " +
				"make them equal or set another port in one of the two links"
		default:
			continue
		}
		return e
	}
	return nil
}

func (p *httpProvider) listener(address string) *listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listeners[address]
}

// overlapping lists the listeners that an address cannot be opened beside, that of the address itself among them.
func (p *httpProvider) overlapping(address string) []*listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*listener
	for _, at := range slices.Sorted(maps.Keys(p.listeners)) {
		if at == address || overlap(at, address) {
			list = append(list, p.listeners[at])
		}
	}
	return list
}

// closeListener ends a listener when its requests are answered, or ctx ends.
func (p *httpProvider) closeListener(ctx context.Context, l *listener) error {
	p.mu.Lock()
	if p.listeners[l.address] == l { // not one that has taken over
		delete(p.listeners, l.address)
	}
	p.mu.Unlock()
	return l.close(ctx)
}

// remove takes a route out of its listener.
func (p *httpProvider) remove(ctx context.Context, r *route) error {
	l := p.listener(r.address)
	if l == nil {
		return nil
	}
	if l.replace(r, nil) == 0 {
		return errors.Join(p.closeListener(ctx, l), r.drain(ctx))
	}
	return r.drain(ctx)
}
