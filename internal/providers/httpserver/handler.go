package httpserver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/callctx"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/providers/httpserver/internal/http1"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/provider"
)

// handler serves the requests of all listeners.
type handler struct {
	env      provider.Env
	log      *slog.Logger
	metrics  *metrics
	warnings *rate.Limiter
	unsaid   atomic.Int64  // failures that were not logged since the last that was
	waiting  *ledger       // bytes of requests and answers that wait for their clients
	patience time.Duration // for a client to take a piece of its answer
	reading  time.Duration // and to send a piece of a body that goes on as a stream
}

// waitingCost is what a request takes of max_waiting_bytes while its client sends or fetches, beside its bytes:
// goroutines, buffers.
const waitingCost = 16 << 10

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
	ctx    context.Context // ends with the client's breaking off, and has the trace
	method string
	from   origin
	trace  trace.Context
	route  *route   // nil: none fits
	fault  *failure // what is wrong with how the request is put; nil: nothing
	// makes sure that so many bytes of an answer may wait for the client; nil: package http1 does that itself
	room func(n int64) *failure
	body func(length int64) (*hold, refusal) // makes sure that the request's body may be waited for; nil: it is here

	streams bool     // the actor takes streams
	status  int      // of an answer that is a stream and that was begun; 0: there is none
	gone    bool     // its client has left
	refusal *failure // why a stream was not begun
}

// serveNet serves a request that net/http has read.
func (h *handler) serveNet(w http.ResponseWriter, r *http.Request, routes *atomic.Pointer[table]) {
	conn, _ := r.Context().Value(connKey{}).(*connection)
	conn.requests.Add(1)
	defer conn.requests.Add(-1)
	out := &netResponse{w: w, control: http.NewResponseController(w), head: r.Method == http.MethodHead,
		patience: h.patience, multiplexed: r.ProtoMajor > 1}
	out.hurry()
	if doubtful(r) {
		out.Close()
	}
	x := &exchange{response: out, method: strings.ToUpper(r.Method), from: conn.from(netFields(r.Header))}
	x.follow(first(r.Header["Traceparent"]), r.Header["Tracestate"])
	if r.ProtoMajor > 1 {
		x.ctx = trace.With(r.Context(), x.trace)
	} else { // net/http cancels its own when the client ends its side, although it may wait for the answer
		ctx := new(callctx.Context)
		defer ctx.Close()
		defer context.AfterFunc(r.Context(), func() {
			if conn.broken.Load() {
				ctx.Cancel(context.Canceled)
			}
		})()
		x.ctx = &plainContext{ctx, x.trace}
	}
	x.fault = malformed(r)
	x.room = func(n int64) *failure { return h.roomFor(x, out, n) }
	defer out.release()
	x.body = func(length int64) (*hold, refusal) {
		amount := headSize(r) + waitingCost + max(0, length)
		b := &hold{client: x.from.client, amount: amount,
			drop: func() { _ = out.control.SetReadDeadline(time.Unix(1, 0)) }}
		return b, h.waiting.take(b)
	}
	path := r.URL.EscapedPath()
	if path == "" { // of "GET http://host"
		path = "/"
	}
	h.serve(x, routes, r.Host, path, func(e *encoder) (provider.Request, *requestBody, int64, *failure) {
		return h.fromNet(x, e, r, path)
	})
}

// doubtful reports whether something before us may see the end of the request elsewhere, and take what follows for
// another client's request, so that the connection has to end with the answer (RFC 9112, section 6.1): one in chunks
// that also has a length, or one of HTTP/1.0 in chunks. net/http hides both from its handlers, so that all requests in
// chunks and all of HTTP/1.0 are meant.
func doubtful(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// netFields yields the header of a request that net/http has read.
func netFields(header http.Header) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for name, values := range header {
			for _, v := range values {
				if !yield(lowerName(name), v) {
					return
				}
			}
		}
	}
}

// headSize is about what the head of a request takes.
func headSize(r *http.Request) int64 {
	n := len(r.RequestURI) + len(r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return int64(n)
}

// servePlain serves a plain request.
func (h *handler) servePlain(ctx *callctx.Context, r *http1.Request, w *http1.Response, routes *atomic.Pointer[table]) {
	conn := r.Conn.(*connection) // all come through the door
	conn.requests.Add(1)
	defer conn.requests.Add(-1)
	x := &exchange{response: w, method: r.Method, from: conn.origin}
	if conn.proxies != nil {
		x.from = conn.from(r.Fields)
	}
	var states []string
	for i := range r.Header {
		if r.Header[i].Name == trace.StateHeader {
			states = append(states, r.Header[i].Value)
		}
	}
	x.follow(r.Value(trace.ParentHeader), states)
	x.ctx = &plainContext{ctx, x.trace}
	h.serve(x, routes, r.Host, r.Path, func(e *encoder) (req provider.Request, _ *requestBody, _ int64, fail *failure) {
		if fail := checkLength(int64(len(r.Body)), x.route.maxBody); fail != nil {
			return req, nil, 0, fail
		}
		e.plain(r, x)
		req.Payload = e.Bytes()
		return req, nil, 0, nil
	})
}

// stall lets bytes of an answer to a plain request wait for the client. See http1.Config.
func (h *handler) stall(on net.Conn, n int) (done func(), ok bool) {
	conn := on.(*connection)
	wait := &hold{client: conn.origin.client, amount: int64(n) + waitingCost, drop: conn.reset}
	if why := h.waiting.take(wait); why != granted {
		h.refused(context.Background(), "response", why, conn.origin.chain)
		return nil, false
	}
	return wait.release, true
}

// roomFor lets an answer wait for the client. Only what net/http answers needs that beforehand, since there the handler
// cannot see whether the client takes it at once.
func (h *handler) roomFor(x *exchange, out *netResponse, n int64) *failure {
	out.release()
	wait := &hold{client: x.from.client, amount: n + waitingCost,
		drop: func() { _ = out.control.SetWriteDeadline(time.Unix(1, 0)) }}
	if why := h.waiting.take(wait); why != granted {
		h.refused(x.ctx, "response", why, x.from.chain)
		return overFull(why)
	}
	out.wait = wait
	return nil
}

// refused counts and tells that something could not be held for a client.
func (h *handler) refused(ctx context.Context, what string, why refusal, client string) {
	reason := "client"
	if why == overLimit {
		reason = "all"
	}
	h.metrics.refused.WithLabelValues(what, reason).Inc()
	h.warn(ctx, "no room for what a client holds", "what", what, "limit", reason, "client", client)
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

// serve answers one request, whichever of the two servers has read it. Each step may fail, and the answer to all of
// them is made in one place. A request is counted once, with the time from its header to the end of its answer.
func (h *handler) serve(x *exchange, routes *atomic.Pointer[table], host, path string, read payload) {
	start := time.Now()
	h.metrics.active.Inc()
	defer h.metrics.active.Dec()
	var resp *answer
	fail := x.fault
	if fail == nil {
		fail = notServed(x.method, path)
	}
	if fail == nil {
		x.route, fail = enter(routes, host, canonicalPath(path))
	}
	if fail == nil {
		defer x.route.leave()
		x.streams = h.env.Streams(x.route.actor)
		if resp, fail = h.call(x, read); fail == nil {
			defer resp.close()
			if x.room != nil && x.status == 0 {
				fail = x.room(resp.inMemory())
			}
		}
	}
	status := 0
	if x.status != 0 {
		status = x.status
		h.streamed(x, fail)
	} else if fail == nil {
		status = int(resp.StatusCode)
		h.respond(x, resp)
		h.tell(x, status, nil)
	} else {
		status = fail.status
		h.refuse(x, fail)
		h.tell(x, status, fail)
	}
	defer x.abort(fail)
	if took := time.Since(start); x.route != nil {
		x.route.counts.observe(status, took)
	} else {
		h.metrics.observe("", status, took)
	}
}

// allowed are the methods that the answer names when a request uses one that is not served.
const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

// notServed refuses what no actor could answer: a tunnel, a request's own echo, HTTP/2's beginning in another place,
// and targets that are no paths. All other methods, known or not, are for the actor to judge (RFC 9110, section 9.1).
func notServed(method, path string) *failure {
	switch method {
	case http.MethodConnect, http.MethodTrace, "PRI":
		return &failure{status: http.StatusMethodNotAllowed, code: lattice.ErrDenied, text: "the method " + method +
			" is not served", allow: allowed, close: true}
	}
	if path == "" || path[0] != '/' {
		return &failure{status: http.StatusBadRequest, code: lattice.ErrInvalid,
			text: "the request's target is no path", close: true}
	}
	return nil
}

// enter finds the route of a request and counts it in.
func enter(routes *atomic.Pointer[table], host, path string) (*route, *failure) {
	for {
		route := routes.Load().find(host, path)
		switch {
		case route == nil:
			return nil, &failure{status: http.StatusNotFound, code: lattice.ErrNotFound,
				text: "no route for this host and path"}
		case route.enter():
			return route, nil
		case routes.Load().find(host, path) == route: // closed for good, with its listener
			return nil, &failure{status: http.StatusServiceUnavailable, code: lattice.ErrUnavailable,
				text: "shutting down", actor: route.actor}
		}
	}
}

// call turns a request into an invocation and its answer into a response that can be sent. One of the route's places is
// taken when all of the request is here, and given back when the actor has answered. So a client that neither sends nor
// fetches holds no place.
func (h *handler) call(x *exchange, read payload) (*answer, *failure) {
	if x.route.readonly && !readOnly(x.method) {
		return nil, &failure{status: http.StatusMethodNotAllowed, code: lattice.ErrDenied, text: "read-only",
			allow: "GET, HEAD"}
	}
	e := newEncoder()
	defer e.free()
	req, sent, held, fail := read(e)
	defer func() { h.env.Large.Release(held) }()
	if fail != nil {
		return nil, fail
	}
	if sent != nil {
		defer sent.close()
	} else {
		if !x.route.begin() {
			return nil, tooMany()
		}
		defer x.route.end()
	}
	if x.streams {
		h.offer(x, &req)
	}
	req.Timeout = x.route.timeout
	size := len(req.Payload) + int(req.BodyLength)
	from, err := h.env.Open(x.ctx, x.route.actor, contract.HandleRequest, req)
	// it is not known whether it has been carried out, and it may be carried out twice
	if channel.Lost(err) && sent == nil && safe(x.method) && x.status == 0 {
		from, err = h.env.Open(x.ctx, x.route.actor, contract.HandleRequest, req)
	}
	if x.refusal != nil {
		return nil, x.refusal
	}
	if err != nil {
		if sent != nil && sent.fail != nil {
			sent.fail.close = true // where the next request would begin is unknown
			return nil, sent.fail
		}
		return nil, callFailure(err, size)
	}
	if from == nil { // it was a stream
		return &answer{}, nil
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

// begin sends the head of an answer.
func (h *handler) begin(x *exchange, resp *answer) {
	status := int(resp.StatusCode)
	x.Begin(status)
	failed := status >= http.StatusInternalServerError
	if failed {
		x.Set(traceHeader, hex.EncodeToString(x.trace.TraceID[:]))
	}
	cache := x.route.cache
	for name, value := range resp.fields(func(name string) {
		h.warn(x.ctx, "header of a response left out: HTTP does not allow it", lattice.LogActor, x.route.actor, "name",
			name)
	}) {
		switch {
		case cache != "" && strings.EqualFold(name, "cache-control"):
			cache = ""
		// of what is not there, RFC 9110, section 15.4.5
		case status == http.StatusNotModified && strings.EqualFold(name, "content-type"):
			continue
		case failed && strings.EqualFold(name, traceHeader):
			continue
		}
		x.Set(name, value)
	}
	if cache != "" {
		x.Set("cache-control", cache)
	}
}

// respond sends what the actor answered.
func (h *handler) respond(x *exchange, resp *answer) {
	h.begin(x, resp)
	status := int(resp.StatusCode)
	switch {
	case status == http.StatusNoContent || status == http.StatusNotModified:
		x.NoBody(-1)
	case status == http.StatusResetContent: // which has no body either, but does not go without saying so
		x.Body(nil)
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

// tell lets the host know of a request that failed, for operators who ask why by the trace that the answer carries.
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
		err = &lattice.Error{Code: lattice.ErrGuest, Detail: "the actor answered " + strconv.Itoa(status) + " " +
			http.StatusText(status)}
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
	if f.status == http.StatusServiceUnavailable || f.status == http.StatusTooManyRequests {
		x.Set("retry-after", "1")
	}
	if f.allow != "" {
		x.Set("allow", f.allow)
	}
	if f.close {
		x.Close()
	}
	if body = append(body, '\n'); x.room != nil && x.room(int64(len(body))) != nil {
		body = nil // the status has to do: a body would wait for a client that holds too much
	}
	x.Body(body)
}
