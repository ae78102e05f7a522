package httpserver

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/channel"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
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

// bodies are buffers of request bodies. Large ones are not kept.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const (
	maxKeptBody = 1 << 20
	smallBody   = 64 << 10 // for which room is made before any of it has come
)

// failure is an answer of the provider itself.
type failure struct {
	status int
	code   lattice.Code
	text   string // for the client; no internals
	cause  error  // for the log
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, routes *atomic.Pointer[table]) {
	start := time.Now()
	h.metrics.active.Inc()
	defer h.metrics.active.Dec()
	var tc trace.Context
	ok := false
	if parent := r.Header["Traceparent"]; len(parent) > 0 {
		tc, ok = trace.Parse(parent[0], strings.Join(r.Header["Tracestate"], ","))
	}
	if ok {
		tc = tc.Child()
	} else {
		tc = trace.New()
	}
	route, fail := enter(routes, r)
	var actor lattice.ActorID
	var resp *answer
	if fail == nil {
		defer route.leave()
		actor = route.actor
		resp, fail = h.call(trace.With(r.Context(), tc), tc, w, r, route)
	}
	status := 0
	if fail == nil {
		status = int(resp.StatusCode)
		defer resp.close()
		h.respond(w, r, resp, route.cache)
	} else {
		status = fail.status
		h.refuse(w, r, fail, tc, actor)
	}
	if took := time.Since(start); route != nil {
		route.counts.observe(status, took)
	} else {
		h.metrics.observe("", status, took)
	}
}

// enter finds the route of a request and counts it in.
func enter(routes *atomic.Pointer[table], r *http.Request) (*route, *failure) {
	for {
		route := routes.Load().find(r.Host, r.URL.Path)
		if route == nil {
			return nil, &failure{status: http.StatusNotFound, code: lattice.ErrNotFound, text: "no route for this host and path"}
		}
		ok, busy := route.enter()
		switch {
		case ok:
			return route, nil
		case busy:
			return nil, &failure{status: http.StatusServiceUnavailable, code: lattice.ErrBusy, text: "too many requests in progress"}
		case routes.Load().find(r.Host, r.URL.Path) == route: // closed for good, with its listener
			return nil, &failure{status: http.StatusServiceUnavailable, code: lattice.ErrUnavailable, text: "shutting down"}
		}
	}
}

// call turns the request into an invocation and its answer into a response that can be sent. A body whose length is known to
// be large is passed on as it comes; any other is read first.
func (h *handler) call(ctx context.Context, tc trace.Context, w http.ResponseWriter, r *http.Request, route *route) (*answer, *failure) {
	if route.readonly && !readOnly(r.Method) {
		w.Header().Set("Allow", "GET, HEAD")
		return nil, &failure{status: http.StatusMethodNotAllowed, code: lattice.ErrDenied, text: "read-only"}
	}
	e := newEncoder()
	defer e.free()
	req := provider.Request{Timeout: route.timeout}
	var sent *requestBody
	switch n := r.ContentLength; {
	case n > wire.MaxInlineBytes:
		if fail := checkLength(w, r, route.maxBody); fail != nil {
			return nil, fail
		}
		sent = &requestBody{Reader: http.MaxBytesReader(w, r.Body, route.maxBody)}
		e.head(r, tc, int(n))
		req.Body, req.BodyLength = sent, n
	case n >= 0 && n <= smallBody: // into its place in the payload
		if fail := checkLength(w, r, route.maxBody); fail != nil {
			return nil, fail
		}
		e.head(r, tc, int(n))
		if n > 0 {
			if _, err := io.ReadFull(r.Body, e.Room(int(n))); err != nil {
				return nil, bodyFailure(err, route.maxBody)
			}
		}
	default:
		body := bodies.Get().(*bytes.Buffer)
		body.Reset()
		held, fail := h.readBody(ctx, body, w, r, route)
		defer func() { h.env.Large.Release(held) }()
		if fail != nil {
			return nil, fail
		}
		e.head(r, tc, body.Len())
		copy(e.Room(body.Len()), body.Bytes())
		if body.Cap() <= maxKeptBody {
			bodies.Put(body)
		}
	}
	req.Payload = e.Bytes()
	size := len(req.Payload) + int(req.BodyLength)
	from, err := h.env.Open(ctx, route.actor, contract.HandleRequest, req)
	if channel.Lost(err) && sent == nil && safe(r.Method) { // nobody knows whether it has been carried out, and it may be twice
		from, err = h.env.Open(ctx, route.actor, contract.HandleRequest, req)
	}
	if err != nil {
		if sent != nil && sent.err != nil {
			w.Header().Set("Connection", "close") // where the next request would begin is unknown
			return nil, bodyFailure(sent.err, route.maxBody)
		}
		return nil, callFailure(err, size)
	}
	return readAnswer(ctx, from, size)
}

// safe reports whether requests of a method change nothing (RFC 9110, section 9.2.1).
func safe(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// requestBody remembers why reading the body failed.
type requestBody struct {
	io.Reader
	err error
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// checkLength refuses a body by the length that it claims.
func checkLength(w http.ResponseWriter, r *http.Request, limit int64) *failure {
	if r.ContentLength <= limit {
		return nil
	}
	w.Header().Set("Connection", "close") // rather than reading it to its end
	return bodyTooLarge(limit)
}

func bodyTooLarge(limit int64) *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, code: lattice.ErrTooLarge,
		text: "the body exceeds the limit of " + strconv.FormatInt(limit, 10) + " bytes"}
}

// readBody reads the whole body, at most the route's limit. One of unknown length that turns out to be large waits for room for
// all that it may become; held is what it has, also when reading failed.
func (h *handler) readBody(ctx context.Context, into *bytes.Buffer, w http.ResponseWriter, r *http.Request, route *route) (held int64, fail *failure) {
	limit := route.maxBody
	if fail := checkLength(w, r, limit); fail != nil || r.ContentLength == 0 {
		return 0, fail
	}
	if r.ContentLength > 0 { // a claim: room for all of it is made only when some of it has come
		into.Grow(int(min(r.ContentLength, 64<<10)) + bytes.MinRead)
	}
	body := http.MaxBytesReader(w, r.Body, limit)
	if _, err := into.ReadFrom(io.LimitReader(body, wire.MaxInlineBytes+1)); err != nil {
		return 0, bodyFailure(err, limit)
	}
	if into.Len() <= wire.MaxInlineBytes {
		return 0, nil
	}
	timeout := route.timeout
	if timeout == 0 {
		timeout = h.env.Timeout
	}
	wait, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	held, err := h.env.Large.Hold(wait, "request", min(limit, rpc.DefaultMaxBytes))
	if err != nil {
		w.Header().Set("Connection", "close") // rather than reading it to its end
		return 0, callFailure(err, into.Len())
	}
	if _, err := into.ReadFrom(body); err != nil {
		return held, bodyFailure(err, limit)
	}
	return held, nil
}

// bodyFailure says why a body could not be read.
func bodyFailure(err error, limit int64) *failure {
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return bodyTooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{status: http.StatusRequestTimeout, code: lattice.ErrTimeout, text: "the body did not come in time"}
	}
	return &failure{status: http.StatusBadRequest, code: lattice.ErrInvalid, text: "the body is malformed or incomplete"}
}

// respond sends what the actor answered. Its headers are copied, but for those of the connection, the length and what
// HTTP does not allow.
func (h *handler) respond(w http.ResponseWriter, r *http.Request, resp *answer, cache string) {
	header := w.Header()
	length := ""
	for name, values := range resp.Header {
		lower := strings.ToLower(name)
		if hopByHop[lower] || !httpguts.ValidHeaderFieldName(name) {
			continue
		}
		if lower == "content-length" {
			if len(values) == 1 {
				length = values[0]
			}
			continue
		}
		for _, v := range values {
			if httpguts.ValidHeaderFieldValue(v) {
				header.Add(name, v)
			}
		}
	}
	if cache != "" && header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", cache)
	}
	if types := header["Content-Type"]; len(types) == 0 || types[0] == "" {
		header["Content-Type"] = nil // do not guess
	}
	status := int(resp.StatusCode)
	if status == http.StatusNoContent || status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	if r.Method == http.MethodHead && resp.length == 0 {
		if n, err := strconv.ParseUint(length, 10, 63); err == nil { // of the body that GET would have
			header.Set("Content-Length", strconv.FormatUint(n, 10))
		}
		w.WriteHeader(status)
		return
	}
	if resp.whole != nil && len(resp.whole) <= counted && r.Method != http.MethodHead {
		if status != http.StatusOK { // which Write implies
			w.WriteHeader(status)
		}
		_, _ = w.Write(resp.whole) // the client has gone, or not
		return
	}
	header.Set("Content-Length", strconv.FormatInt(resp.length, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if err := resp.send(w); err != nil {
		h.warn(r.Context(), "response cut off: the rest of it could not be read", lattice.LogErr, err)
		panic(http.ErrAbortHandler) // the client must not take what it has for all
	}
}

// counted is up to where net/http says the length of a body by itself.
const counted = 2048

// callFailure says what a client is told of a failed call with a request of that size.
func callFailure(err error, size int) *failure {
	code := lattice.CodeOf(err)
	f := &failure{http.StatusInternalServerError, code, "the actor failed", err}
	var e *lattice.Error
	remote := errors.As(err, &e) && e.Remote
	switch code {
	case lattice.ErrCanceled: // nobody will read it
		f.status, f.text, f.cause = http.StatusRequestTimeout, "the client has gone", nil
	case lattice.ErrTimeout:
		f.status, f.text = http.StatusServiceUnavailable, "no answer in time"
	case lattice.ErrBusy:
		f.status, f.text = http.StatusServiceUnavailable, "busy"
	case lattice.ErrNoResponders:
		f.status, f.text = http.StatusServiceUnavailable, "the actor is not running"
	case lattice.ErrUnavailable:
		f.status, f.text = http.StatusServiceUnavailable, "something that is needed is away"
	case lattice.ErrUnlinked:
		if !remote { // the link went while the request came
			f.status, f.text = http.StatusNotFound, "no route for this host and path"
		}
	case lattice.ErrTooLarge:
		f.status, f.text = http.StatusBadGateway, "the response is too large"
		if size > wire.MaxInlineBytes { // hosts may take less than this provider does
			f.status, f.text = http.StatusRequestEntityTooLarge, "the request is too large"
		}
	case lattice.ErrInvalid:
		if !remote {
			f.status, f.text = http.StatusBadGateway, "the actor's response is not understood"
		}
	}
	return f
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
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, f *failure, tc trace.Context, actor lattice.ActorID) {
	id := hex.EncodeToString(tc.TraceID[:])
	if f.cause != nil {
		h.warn(r.Context(), "request failed", lattice.LogActor, actor, "status", f.status, lattice.LogCode, f.code.Name(),
			lattice.LogTrace, id, lattice.LogErr, f.cause)
	}
	body, err := json.Marshal(map[string]string{"error": f.text, "code": f.code.Name(), "trace_id": id})
	if err != nil {
		body = nil // unreachable: strings always marshal
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)+1))
	header.Set("Cache-Control", "no-store")
	if f.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n'))
	}
}
