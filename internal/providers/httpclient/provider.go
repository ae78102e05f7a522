// Package httpclient gives actors wasmcloud:httpclient: it makes HTTP requests for them, to the hosts that their link
// allows and to no others.
//
// A request is judged by its method and URL, and its connection by the address that it is made to (package egress).
// Each link has a client, connections and limits of its own. Redirects are the actor's business, unless the link says
// otherwise. Failures cross the lattice as those of the contract, whose names are WASI's.
package httpclient

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Info describes the provider.
var Info = provider.Info{
	Name: "httpclient", Contract: contract.ID, Version: "0.1.0",
	Description: "wasmcloud:httpclient: HTTP requests to the hosts that a link allows",
	Operations:  []string{contract.Send}, Values: linkvalue.HTTPClient, Streams: true,
}

type httpProvider struct {
	log      *slog.Logger
	defaults provider.Values
	readFile certfile.Reader
	large    provider.Budget
	metrics  *metrics

	mu      sync.RWMutex
	clients map[lattice.ActorID]*client // guarded by mu
}

// New makes the provider of a process.
func New(env provider.Env) (provider.Provider, error) {
	defaults, err := linkvalue.HTTPClient.Defaults(env.ConfigJSON)
	if err != nil {
		return nil, err
	}
	p := &httpProvider{log: env.Logger, defaults: defaults, readFile: env.ReadFile, large: env.Large,
		clients: map[lattice.ActorID]*client{}}
	if p.metrics, err = newMetrics(env.Metrics, p.connections); err != nil {
		return nil, err
	}
	return p, env.Metrics.Register(certfile.NewCollector(p.certificates))
}

// certificates are the files of TLS that are in use.
func (p *httpProvider) certificates() (open []certfile.Expiring) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, c := range p.clients {
		open = append(open, c.files...)
	}
	return open
}

func (p *httpProvider) connections() float64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n := int64(0)
	for _, c := range p.clients {
		n += c.dialer.open.Load()
	}
	return float64(n)
}

func (p *httpProvider) open(link provider.Link) (*client, error) {
	s, err := readSettings(link.Values, p.defaults, p.readFile, p.log)
	if err != nil {
		return nil, err
	}
	return newClient(s, p.large), nil
}

// PutLink reads the values and files of a link. Nothing is connected to.
func (p *httpProvider) PutLink(_ context.Context, link provider.Link) error {
	c, err := p.open(link)
	if err == nil {
		p.exchange(link.Actor, c)
	}
	return err
}

// ReviseLink is PutLink. Requests in progress end by the values that they began with.
func (p *httpProvider) ReviseLink(_ context.Context, _, after provider.Link) error {
	c, err := p.open(after)
	if err == nil {
		p.exchange(after.Actor, c)
	}
	return err
}

// CheckLink does all that PutLink does, and forgets it.
func (p *httpProvider) CheckLink(_ context.Context, _ *provider.Link, after provider.Link) error {
	_, err := p.open(after)
	return err
}

// DelLink forgets a link, whose calls have ended.
func (p *httpProvider) DelLink(_ context.Context, link provider.Link) error {
	p.exchange(link.Actor, nil)
	return nil
}

// exchange makes c the client of an actor.
func (p *httpProvider) exchange(actor lattice.ActorID, c *client) {
	p.mu.Lock()
	old := p.clients[actor]
	if delete(p.clients, actor); c != nil {
		p.clients[actor] = c
	}
	p.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// Handle makes a request.
func (p *httpProvider) Handle(ctx context.Context, call provider.Call) ([]byte, error) {
	p.mu.RLock()
	c := p.clients[call.Actor]
	p.mu.RUnlock()
	if c == nil {
		return nil, lattice.ErrUnlinked
	}
	q, err := contract.DecodeRequest(call.Payload)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if call.Stream != nil {
		resp, status, grant, err := c.pass(ctx, q, call.Stream, p.metrics.flow)
		p.metrics.observe(grant, status, err, time.Since(start))
		if err != nil || resp == nil {
			return nil, carried(err)
		}
		return resp.Encode(), nil
	}
	resp, grant, err := c.do(ctx, q)
	flow := p.metrics.flow(grant)
	flow.out.Add(float64(len(q.Body)))
	if err != nil {
		p.metrics.observe(grant, 0, err, time.Since(start))
		return nil, carried(err)
	}
	flow.in.Add(float64(len(resp.Body)))
	p.metrics.observe(grant, int(resp.StatusCode), nil, time.Since(start))
	return resp.Encode(), nil
}

// Shutdown closes all connections.
func (p *httpProvider) Shutdown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.close()
	}
	clear(p.clients)
	return nil
}
