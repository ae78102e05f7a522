package httpclient

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/providers/httpclient/internal/egress"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/provider"
)

const (
	idleTime = 60 * time.Second // of a connection that nobody uses
	pingTime = 30 * time.Second // of silence on a connection of HTTP/2 that is in use
	part     = 32 << 10         // of a body
)

// client makes the requests of one link, over connections that no other link uses. It is safe for concurrent use.
type client struct {
	*settings
	dialer    *dialer
	transport *http.Transport
	http      *http.Client
	large     provider.Budget // nil: nothing is counted
	requests  *rate.Limiter
	bytes     *rate.Limiter
}

func newClient(s *settings, large provider.Budget) *client {
	c := &client{settings: s, large: large,
		requests: rate.NewLimiter(rate.Limit(s.requestsPerSecond), s.requestsPerSecond),
		bytes:    rate.NewLimiter(rate.Limit(s.bytesPerSecond), int(max(s.bytesPerSecond, part)))}
	c.dialer = &dialer{settings: s, places: make(chan struct{}, s.connections)}
	c.transport = &http.Transport{Proxy: s.plain, DialContext: c.dialer.dialPlain, DialTLSContext: c.dialer.dialTLS,
		ForceAttemptHTTP2: true, DisableCompression: true, MaxIdleConnsPerHost: s.connections,
		IdleConnTimeout: idleTime, MaxResponseHeaderBytes: s.headerBytes, ExpectContinueTimeout: time.Second,
		HTTP2: &http.HTTP2Config{SendPingTimeout: pingTime, PingTimeout: pingTime / 2,
			WriteByteTimeout: s.betweenBytes}}
	c.dialer.idle = c.transport.CloseIdleConnections
	c.http = &http.Client{Transport: c.transport, CheckRedirect: c.redirect}
	return c
}

// close ends the connections that nobody uses. Requests in progress go on.
func (c *client) close() { c.transport.CloseIdleConnections() }

// judge says whether a request may be made. That an address is allowed is looked at here, too, since a proxy would
// connect to it otherwise.
func (c *client) judge(method, url string) (*egress.Target, error) {
	t, err := c.rules.Judge(method, url)
	if err == nil && t.Host.Addr.IsValid() {
		err = c.rules.Connect(t.Host.Addr)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// redirect judges a request that a response asks for.
func (c *client) redirect(next *http.Request, via []*http.Request) error {
	switch {
	case c.redirects == 0:
		return http.ErrUseLastResponse
	case len(via) > c.redirects:
		return contract.Fail(contract.LoopDetected, "more than %d redirects; see follow_redirects", c.redirects)
	}
	t, err := c.judge(next.Method, next.URL.String())
	if err != nil {
		return err
	}
	next.URL, next.Host = t.URL, ""
	next.Header.Del("Referer") // net/http adds the URL before
	first := via[0].URL
	if slices.ContainsFunc(append(via, next), func(r *http.Request) bool {
		return r.URL.Scheme != first.Scheme || r.URL.Host != first.Host
	}) {
		for _, name := range secret {
			next.Header.Del(name)
		}
	}
	return nil
}

// Reasons for which a request ends early.
var (
	errTotal     = contract.Fail(contract.ResponseTimeout, "the whole request takes too long; see timeout")
	errConnect   = contract.Fail(contract.ConnectionTimeout, "no connection in time; see connect_timeout")
	errFirstByte = contract.Fail(contract.ConnectionReadTimeout, "no response in time; see first_byte_timeout")
	errBetween   = contract.Fail(contract.ConnectionReadTimeout,
		"the body of the response pauses for too long; see between_bytes_timeout")
)

// shorter is the time that a request asks for, where that is the shorter one.
func shorter(asked, limit time.Duration) time.Duration {
	if asked > 0 {
		return min(asked, limit)
	}
	return limit
}

// do makes a request and reads all of its answer. grant is the pattern of the link that allows it, "" when none does;
// errors are failures of the contract, or of the context.
func (c *client) do(ctx context.Context, q *contract.Request) (resp *contract.Response, grant string, err error) {
	target, err := c.judge(q.Method, q.URL)
	if err != nil {
		return nil, "", err
	}
	if int64(len(q.Body)) > c.requestBytes {
		return nil, target.Grant, contract.Sized(contract.RequestBodySize, int64(len(q.Body)),
			"a body of %d bytes, and the link allows %d; see max_request_bytes", len(q.Body), c.requestBytes)
	}
	header, err := c.requestHeader(ctx, q)
	if err != nil {
		return nil, target.Grant, err
	}
	if !c.requests.Allow() {
		return nil, target.Grant, contract.Fail(contract.ConnectionLimitReached,
			"more than %d requests a second; see requests_per_second", c.requestsPerSecond)
	}
	ctx, end := context.WithTimeoutCause(ctx, c.total, errTotal)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{cancel: cancel}
	defer w.done()
	req, err := http.NewRequestWithContext(c.watched(ctx, w, q), q.Method, target.URL.String(), nil)
	if err != nil {
		return nil, target.Grant, contract.Fail(contract.RequestURIInvalid, "%v", last(err))
	}
	req.Header = header
	if len(q.Body) > 0 {
		req.ContentLength = int64(len(q.Body))
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(&paced{ctx, c.bytes, bytes.NewReader(q.Body)}), nil
		}
		req.Body, _ = req.GetBody()
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, target.Grant, explain(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil, target.Grant, contract.Fail(contract.UpgradeFailed, "the server switches to what nobody asked for")
	}
	body, err := c.body(ctx, w, shorter(q.BetweenBytes, c.betweenBytes), res)
	if err != nil {
		return nil, target.Grant, explain(ctx, err)
	}
	return &contract.Response{StatusCode: uint16(res.StatusCode), Header: responseHeader(res.Header), Body: body},
		target.Grant, nil
}

// watched bounds the steps of a request up to the first byte of the response's body.
func (c *client) watched(ctx context.Context, w *watch, q *contract.Request) context.Context {
	connect := 2 * c.connect // the dialer knows better what takes so long, a place or the server
	if q.Connect > 0 {
		connect = min(connect, q.Connect)
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { w.await(connect, errConnect) },
		GotConn:      func(httptrace.GotConnInfo) { w.done() },
		WroteRequest: func(httptrace.WroteRequestInfo) { w.await(shorter(q.FirstByte, c.firstByte), errFirstByte) },
	})
}

// body reads the body of a response, of which the first byte is awaited already.
func (c *client) body(ctx context.Context, w *watch, between time.Duration, res *http.Response) ([]byte, error) {
	tooLarge := func(n int64) error {
		return contract.Sized(contract.ResponseBodySize, n,
			"the body of the response has more than the %d bytes that the link allows; see max_response_bytes",
			c.responseBytes)
	}
	if res.ContentLength > c.responseBytes && res.Request.Method != http.MethodHead {
		return nil, tooLarge(res.ContentLength)
	}
	var held int64
	defer func() {
		if c.large != nil {
			c.large.Release(held)
		}
	}()
	body, room := []byte(nil), int64(0)
	for {
		if int64(len(body)) == room { // twice as much, at most what is allowed and the byte that is too much
			next := min(max(res.ContentLength+1, 2*room, 4<<10), c.responseBytes+1)
			if c.large != nil {
				n, err := c.large.Hold(ctx, "the body of a response", next-room)
				if err != nil {
					return nil, err
				}
				held += n
			}
			body, room = slices.Grow(body, int(next-room)), next
		}
		n, err := res.Body.Read(body[len(body):min(room, int64(len(body)+part))])
		body = body[:len(body)+n]
		if n > 0 {
			w.done()
			if err := c.bytes.WaitN(ctx, n); err != nil {
				return nil, late(ctx, err)
			}
		}
		switch {
		case int64(len(body)) > c.responseBytes:
			return nil, tooLarge(int64(len(body)))
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		}
		if n > 0 {
			w.await(between, errBetween)
		}
	}
}

// late is the error of a limiter that would wait beyond the end of ctx.
func late(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return contract.Fail(contract.ResponseTimeout, "bytes_per_second lets the bodies through too slowly")
}

// paced reads a body at the pace that the link allows.
type paced struct {
	ctx  context.Context //nolint:containedctx // of the request that the body belongs to
	pace *rate.Limiter
	from io.Reader
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.from.Read(b[:min(len(b), part)])
	if n > 0 {
		if err := p.pace.WaitN(p.ctx, n); err != nil {
			return 0, late(p.ctx, err)
		}
	}
	return n, err
}
