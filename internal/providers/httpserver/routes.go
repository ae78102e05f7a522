package httpserver

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weftlattice/weft/lattice"
)

// route is one link: where its requests come from and which actor gets them.
type route struct {
	settings
	actor  lattice.ActorID
	counts *counts

	working atomic.Int64 // requests that have come whole and whose actor has not answered; at most inFlight

	mu      sync.Mutex
	active  int           // requests whose answers have not been sent; guarded by mu
	closed  bool          // no more requests enter. guarded by mu
	drained chan struct{} // closed when closed and none active; made by drain. guarded by mu
}

// where names the route for people.
func (r *route) where() string {
	host := r.host
	if host == "" {
		host = "any host"
	}
	return r.address + " " + host + " " + r.path
}

// enter counts a request in until leave, unless the link is gone.
func (r *route) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.active++
	return true
}

// leave ends one request's use of the route; the last one lets the wait for its end go on.
func (r *route) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
	if r.active == 0 && r.drained != nil {
		close(r.drained)
		r.drained = nil
	}
}

// begin takes one of the places for requests that an actor works on, for one that has come whole. It fails when all are
// taken; else end must follow.
func (r *route) begin() bool {
	if r.working.Add(1) > int64(r.inFlight) {
		r.working.Add(-1)
		return false
	}
	return true
}

func (r *route) end() { r.working.Add(-1) }

// retire lets no more requests in.
func (r *route) retire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// drain retires the route and waits for its requests, at most until ctx ends; they go on even then.
func (r *route) drain(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	if r.active == 0 {
		r.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	r.drained = done
	r.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "wait for the requests of", Entity: string(r.actor)}
	}
}

// table finds the route of a request. It is never changed once made.
type table struct {
	list     []*route
	exact    map[string]*paths // by host
	wildcard []suffix          // longest first
	any      *paths
}

type suffix struct {
	host string // ".example.org"
	*paths
}

// paths are the routes of one host. What finding one costs depends on the request's path, not on how many there are.
type paths struct {
	routes  map[string]*route // by canonical path
	longest int               // of the paths
}

// newTable arranges the routes of one listener. Of two with the same host and path the first one counts.
func newTable(routes []*route) *table {
	t := &table{list: slices.Clone(routes), exact: map[string]*paths{}, any: &paths{}}
	wild := map[string]*paths{}
	at := func(m map[string]*paths, host string) *paths {
		if m[host] == nil {
			m[host] = &paths{}
		}
		return m[host]
	}
	for _, r := range routes {
		if end, ok := strings.CutPrefix(r.host, "*"); ok {
			at(wild, end).add(r)
		} else if r.host != "" {
			at(t.exact, r.host).add(r)
		} else {
			t.any.add(r)
		}
	}
	for end, p := range wild {
		t.wildcard = append(t.wildcard, suffix{end, p})
	}
	slices.SortFunc(t.wildcard, func(a, b suffix) int {
		if n := len(b.host) - len(a.host); n != 0 {
			return n
		}
		return strings.Compare(a.host, b.host)
	})
	return t
}

// all lists the routes; the list is the caller's.
func (t *table) all() []*route { return slices.Clone(t.list) }

// find returns the route of the most specific host that has a path for the request; nil: no host has. The path is a
// canonical one.
func (t *table) find(host, path string) *route {
	if len(t.exact) > 0 || len(t.wildcard) > 0 {
		host = normalHost(host)
		if r := t.exact[host].find(path); r != nil {
			return r
		}
		for _, s := range t.wildcard {
			if len(host) > len(s.host) && strings.HasSuffix(host, s.host) {
				if r := s.find(path); r != nil {
					return r
				}
			}
		}
	}
	return t.any.find(path)
}

// add enters a route. The first one of a path stays.
func (p *paths) add(r *route) {
	if p.routes == nil {
		p.routes = map[string]*route{}
	}
	if p.routes[r.path] == nil {
		p.routes[r.path] = r
		p.longest = max(p.longest, len(r.path))
	}
}

// find returns the route with the longest prefix of a path by whole segments; nil when there is none.
func (p *paths) find(path string) *route {
	if p == nil || len(p.routes) == 0 {
		return nil
	}
	end := len(path)
	if end > p.longest {
		end = strings.LastIndexByte(path[:p.longest+1], '/')
	}
	for ; end > 0; end = strings.LastIndexByte(path[:end], '/') {
		if r := p.routes[path[:end]]; r != nil {
			return r
		}
	}
	return p.routes["/"]
}

// normalHost is the Host header in lower case, without port and final dot.
func normalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
