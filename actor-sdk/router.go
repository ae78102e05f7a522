package actor

import (
	"slices"
	"strings"
)

// Router chooses an HTTPHandler by method and path. It answers 404 when no path fits and 405, with the methods that
// would, when only the method does not. Fill it in init; then it is safe for concurrent use.
type Router struct {
	routes []route
}

// NewRouter returns an empty router.
func NewRouter() *Router { return new(Router) }

type route struct {
	method   string   // "" is any
	segments []string // literal, "{name}" or, as the last, "{name...}"
	handler  HTTPHandler
}

type pathValue struct{ name, value string }

// Handle registers h for a pattern such as "GET /items/{id}". The method may be left out to mean any; GET serves HEAD
// too. {id} stands for one segment that is not empty, {rest...} at the end for all that follows, slashes included. The
// first registered pattern that fits wins. A malformed pattern is a mistake that panics.
func (r *Router) Handle(pattern string, h HTTPHandler) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		method, path = "", pattern
	}
	path = strings.TrimLeft(path, " ")
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") || method != strings.ToUpper(method) {
		panic("actor: malformed pattern " + pattern)
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if strings.ContainsAny(s, "{}") && (!isWildcard(s) || isRest(s) && i != len(segments)-1) {
			panic("actor: malformed wildcard in pattern " + pattern)
		}
	}
	r.routes = append(r.routes, route{method: method, segments: segments, handler: h})
}

// Serve answers a request; it is an HTTPHandler.
func (r *Router) Serve(req *Request) (*Response, error) {
	var allowed []string
	for i := range r.routes {
		rt := &r.routes[i]
		values, ok := rt.match(req.Path)
		if !ok {
			continue
		}
		if rt.method == "" || rt.method == req.Method || rt.method == "GET" && req.Method == "HEAD" {
			req.values = values
			return rt.handler(req)
		}
		if !slices.Contains(allowed, rt.method) {
			allowed = append(allowed, rt.method)
		}
	}
	if allowed == nil {
		return nil, Status(404, "not found")
	}
	slices.Sort(allowed)
	return nil, &StatusError{StatusCode: 405, Text: "method not allowed",
		Header: Header{"allow": {strings.Join(allowed, ", ")}}}
}

func (rt *route) match(path string) (values []pathValue, ok bool) {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return nil, false
	}
	more := true
	for _, want := range rt.segments {
		if !more {
			return nil, false
		}
		if isRest(want) {
			return append(values, pathValue{want[1 : len(want)-4], rest}), true
		}
		var have string
		have, rest, more = strings.Cut(rest, "/")
		switch {
		case isWildcard(want):
			if have == "" {
				return nil, false
			}
			values = append(values, pathValue{want[1 : len(want)-1], have})
		case have != want:
			return nil, false
		}
	}
	return values, !more
}

func isWildcard(s string) bool {
	return len(s) > 2 && s[0] == '{' && s[len(s)-1] == '}' && !strings.ContainsAny(s[1:len(s)-1], "{}")
}

func isRest(s string) bool { return isWildcard(s) && len(s) > 5 && strings.HasSuffix(s, "...}") }
