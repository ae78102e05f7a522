package httpserver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/callctx"
	"github.com/weftlattice/weft/lattice/channel"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/httpserver/internal/http1"
)

// handler serves the requests of all listeners.
type handler struct {
	env      provider.Env
	log      *slog.Logger
	metrics  *metrics
	warnings *rate.Limiter
	unsaid   atomic.Int64 // failures that were not logged since the last that was
}

// Failures that are logged: a burst, then one each second.
const (
	warnBurst     = 20
	warnPerSecond = 1
)

// traceHeader names the trace of a request in the answers that tell of a failure, for "weft errors --trace".
const traceHeader = "x-trace-id"

// exchange is a request in progress: what is known of it, and where its answer goes.
type exchange struct {
	response
	ctx    context.Context // ends with the client's going, and has the trace
	method string
	trace  trace.Context
	route  *route // nil: none fits
}

// serveNet serves a request that net/http has read.
func (h *handler) serveNet(w http.ResponseWriter, r *http.Request, routes *atomic.Pointer[table]) {
	x := &exchange{response: &netResponse{w: w, head: r.Method == http.MethodHead}, ctx: r.Context(), method: r.Method}
	x.follow(first(r.Header["Traceparent"]), r.Header["Tracestate"])
	x.ctx = trace.With(x.ctx, x.trace)
	h.serve(x, routes, r.Host, r.URL.Path, func(e *encoder) (provider.Request, *requestBody, int64, *failure) {
		return h.fromNet(x.ctx, e, x.trace, r, x.route)
	})
}

// servePlain serves a plain request.
func (h *handler) servePlain(ctx *callctx.Context, r *http1.Request, w *http1.Response, routes *atomic.Pointer[table]) {
	x := &exchange{response: w, method: r.Method}
	var states []string
	for i := range r.Header {
		if r.Header[i].Name == "tracestate" {
			states = append(states, r.Header[i].Value)
		}
	}
	x.follow(r.Value("traceparent"), states)
	x.ctx = &plainContext{ctx, x.trace}
	h.serve(x, routes, r.Host, r.Unescaped(), func(e *encoder) (req provider.Request, _ *requestBody, _ int64, fail *failure) {
		if fail := checkLength(int64(len(r.Body)), x.route.maxBody); fail != nil {
			return req, nil, 0, fail
		}
		e.plain(r, x.trace)
		req.Payload = e.Bytes()
		return req, nil, 0, nil
	})
}

// plainContext is the context of a plain request with its trace. What hangs on it needs no goroutine, as it would with
// trace.With between them.
type plainContext struct {
	*callctx.Context
	trace trace.Context
}

// Value implements context.Context.
func (c *plainContext) Value(key any) any {
	if trace.IsKey(key) {
		return c.trace
	}
	return nil
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// follow continues the trace of the client, or begins one.
func (x *exchange) follow(parent string, states []string) {
	ok := false
	if parent != "" {
		x.trace, ok = trace.Parse(parent, strings.Join(states, ","))
	}
	if ok {
		x.trace = x.trace.Child()
	} else {
		x.trace = trace.New()
	}
}

// payload makes a request of what the client sent. See fromNet.
type payload func(*encoder) (req provider.Request, sent *requestBody, held int64, fail *failure)

func (h *handler) serve(x *exchange, routes *atomic.Pointer[table], host, path string, read payload) {
	start := time.Now()
	h.metrics.active.Inc()
	defer h.metrics.active.Dec()
	var resp *answer
	var fail *failure
	if x.route, fail = enter(routes, host, path); fail == nil {
		defer x.route.leave()
		resp, fail = h.call(x, read)
	}
	status := 0
	if fail == nil {
		status = int(resp.StatusCode)
		defer resp.close()
		h.respond(x, resp)
		h.tell(x, status, nil)
	} else {
		status = fail.status
		h.refuse(x, fail)
		h.tell(x, status, fail)
	}
	if took := time.Since(start); x.route != nil {
		x.route.counts.observe(status, took)
	} else {
		h.metrics.observe("", status, took)
	}
}

// enter finds the route of a request and counts it in.
func enter(routes *atomic.Pointer[table], host, path string) (*route, *failure) {
	for {
		route := routes.Load().find(host, path)
		if route == nil {
			return nil, &failure{status: http.StatusNotFound, code: lattice.ErrNotFound, text: "no route for this host and path"}
		}
		ok, busy := route.enter()
		switch {
		case ok:
			return route, nil
		case busy:
			return nil, &failure{status: http.StatusServiceUnavailable, code: lattice.ErrBusy, text: "too many requests in progress", actor: route.actor}
		case routes.Load().find(host, path) == route: // closed for good, with its listener
			return nil, &failure{status: http.StatusServiceUnavailable, code: lattice.ErrUnavailable, text: "shutting down", actor: route.actor}
		}
	}
}

// call turns a request into an invocation and its answer into a response that can be sent.
func (h *handler) call(x *exchange, read payload) (*answer, *failure) {
	if x.route.readonly && !readOnly(x.method) {
		return nil, &failure{status: http.StatusMethodNotAllowed, code: lattice.ErrDenied, text: "read-only", allow: "GET, HEAD"}
	}
	e := newEncoder()
	defer e.free()
	req, sent, held, fail := read(e)
	defer func() { h.env.Large.Release(held) }()
	if fail != nil {
		return nil, fail
	}
	req.Timeout = x.route.timeout
	size := len(req.Payload) + int(req.BodyLength)
	from, err := h.env.Open(x.ctx, x.route.actor, contract.HandleRequest, req)
	if channel.Lost(err) && sent == nil && safe(x.method) { // nobody knows whether it has been carried out, and it may be twice
		from, err = h.env.Open(x.ctx, x.route.actor, contract.HandleRequest, req)
	}
	if err != nil {
		if sent != nil && sent.err != nil {
			fail := bodyFailure(sent.err, x.route.maxBody)
			fail.close = true // where the next request would begin is unknown
			return nil, fail
		}
		return nil, callFailure(err, size)
	}
	return readAnswer(x.ctx, from, size)
}

// safe reports whether requests of a method change nothing (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// respond sends what the actor answered.
func (h *handler) respond(x *exchange, resp *answer) {
	status := int(resp.StatusCode)
	x.Begin(status)
	failed := status >= http.StatusInternalServerError
	if failed {
		x.Set(traceHeader, hex.EncodeToString(x.trace.TraceID[:]))
	}
	cache := x.route.cache
	for name, value := range resp.fields {
		switch {
		case cache != "" && strings.EqualFold(name, "cache-control"):
			cache = ""
		case status == http.StatusNotModified && strings.EqualFold(name, "content-type"): // of what is not there, RFC 9110, section 15.4.5
			continue
		case failed && strings.EqualFold(name, traceHeader):
			continue
		}
		x.Set(name, value)
	}
	if cache != "" {
		x.Set("cache-control", cache)
	}
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		x.NoBody(-1)
	case x.method == http.MethodHead && resp.length == 0:
		x.NoBody(resp.claimed()) // of the body that GET would have
	case resp.body == nil:
		x.Body(resp.whole)
	default:
		if err := x.Stream(resp.length, resp.send); err != nil {
			h.warn(x.ctx, "response cut off: the rest of it could not be read", lattice.LogErr, err)
			panic(http.ErrAbortHandler) // the client must not take what it has for all
		}
	}
}

// tell lets the host know of a request that failed, for who asks why by the trace that the answer carries.
func (h *handler) tell(x *exchange, status int, f *failure) {
	var actor lattice.ActorID
	switch {
	case status < http.StatusInternalServerError:
		return
	case x.route != nil:
		actor = x.route.actor
	case f != nil:
		actor = f.actor
	}
	var err error
	switch {
	case f == nil:
		err = &lattice.Error{Code: lattice.ErrGuest, Detail: "the actor answered " + strconv.Itoa(status) + " " + http.StatusText(status)}
	case f.cause != nil:
		err = f.cause
	default:
		err = &lattice.Error{Code: f.code, Detail: f.text}
	}
	h.env.Failed(x.ctx, provider.Failed{Actor: actor, Operation: contract.HandleRequest, Status: status, Err: err})
}

// warn logs a failed request where it is seen, but not each of thousands; the next line tells how many were left out.
func (h *handler) warn(ctx context.Context, msg string, args ...any) {
	level := slog.LevelDebug
	if h.warnings.Allow() {
		level = slog.LevelWarn
		if n := h.unsaid.Swap(0); n > 0 {
			args = append(args, "left_out", n)
		}
	} else {
		h.unsaid.Add(1)
	}
	h.log.Log(ctx, level, msg, args...)
}

// refuse sends an answer of the provider itself.
func (h *handler) refuse(x *exchange, f *failure) {
	id := hex.EncodeToString(x.trace.TraceID[:])
	if f.cause != nil {
		var actor lattice.ActorID
		if x.route != nil {
			actor = x.route.actor
		}
		h.warn(x.ctx, "request failed", lattice.LogActor, actor, "status", f.status, lattice.LogCode, f.code.Name(),
			lattice.LogTrace, id, lattice.LogErr, f.cause)
	}
	body, err := json.Marshal(map[string]string{"error": f.text, "code": f.code.Name(), "trace_id": id})
	if err != nil {
		body = nil // unreachable: strings always marshal
	}
	x.Begin(f.status)
	x.Set(traceHeader, id)
	x.Set("content-type", "application/json")
	x.Set("cache-control", "no-store")
	if f.status == http.StatusServiceUnavailable {
		x.Set("retry-after", "1")
	}
	if f.allow != "" {
		x.Set("allow", f.allow)
	}
	if f.close {
		x.Close()
	}
	x.Body(append(body, '\n'))
}
