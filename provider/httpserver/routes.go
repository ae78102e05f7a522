package httpserver

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/weftlattice/weft/lattice"
)

// route is one link: where its requests come from and which actor gets them.
type route struct {
	settings
	actor  lattice.ActorID
	counts *counts

	mu      sync.Mutex
	active  int           // guarded by mu
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

// enter counts a request in. It fails when the link is gone, or has too many.
func (r *route) enter() (ok, busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.active >= r.inFlight {
		return false, !r.closed
	}
	r.active++
	return true, false
}

func (r *route) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
	if r.active == 0 && r.drained != nil {
		close(r.drained)
		r.drained = nil
	}
}

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
	exact    map[string][]*route // by host
	wildcard []suffix            // longest first
	any      []*route
}

type suffix struct {
	host   string // ".example.org"
	routes []*route
}

// newTable sorts the routes of one listener: the longest path first within a host.
func newTable(routes []*route) *table {
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b *route) int { return len(b.path) - len(a.path) })
	t := &table{exact: map[string][]*route{}}
	wild := map[string][]*route{}
	for _, r := range routes {
		if end, ok := strings.CutPrefix(r.host, "*"); ok {
			wild[end] = append(wild[end], r)
		} else if r.host != "" {
			t.exact[r.host] = append(t.exact[r.host], r)
		} else {
			t.any = append(t.any, r)
		}
	}
	for end, routes := range wild {
		t.wildcard = append(t.wildcard, suffix{end, routes})
	}
	slices.SortFunc(t.wildcard, func(a, b suffix) int {
		if n := len(b.host) - len(a.host); n != 0 {
			return n
		}
		return strings.Compare(a.host, b.host)
	})
	return t
}

// all lists the routes.
func (t *table) all() []*route {
	list := slices.Clone(t.any)
	for _, routes := range t.exact {
		list = append(list, routes...)
	}
	for _, s := range t.wildcard {
		list = append(list, s.routes...)
	}
	return list
}

// find returns the route of the most specific host that has a path for the request, nil when there is none.
func (t *table) find(host, path string) *route {
	if len(t.exact) > 0 || len(t.wildcard) > 0 {
		host = normalHost(host)
		if r := longest(t.exact[host], path); r != nil {
			return r
		}
		for _, s := range t.wildcard {
			if len(host) > len(s.host) && strings.HasSuffix(host, s.host) {
				if r := longest(s.routes, path); r != nil {
					return r
				}
			}
		}
	}
	return longest(t.any, path)
}

func longest(routes []*route, path string) *route {
	for _, r := range routes {
		if under(path, r.path) {
			return r
		}
	}
	return nil
}

// under reports whether a path is the prefix or below it.
func under(path, prefix string) bool {
	if prefix == "/" {
		return true
	}
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}

// normalHost is the Host header in lower case, without port and final dot.
func normalHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
