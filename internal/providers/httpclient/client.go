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
// connect to it otherwise. So is the proxy: the dialer cannot tell a request to it from one by way of it.
func (c *client) judge(method, url string) (*egress.Target, error) {
	t, err := c.rules.Judge(method, url)
	switch {
	case err != nil:
	case t.Host.Addr.IsValid():
		err = c.rules.Connect(t.Host.Addr)
	case c.plainProxy != "" && t.Address() == egress.Absolute(c.plainProxy):
		err = contract.Fail(contract.DestinationProhibited,
			"%s is the proxy of the link, which is no destination itself", c.plainProxy)
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
	errConnect   = contract.Fail(contract.ConnectionTimeout, "no connection in the time that the request allows")
	errFirstByte = contract.Fail(contract.ConnectionReadTimeout, "no response in time; see first_byte_timeout")
	errStalled   = contract.Fail(contract.ConnectionWriteTimeout,
		"the server does not take the body of the request; see between_bytes_timeout")
	errTerminated = contract.Fail(contract.ConnectionTerminated,
		"the connection ended before the body of the request did")
	errBetween = contract.Fail(contract.ConnectionReadTimeout,
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
	a, grant, err := c.open(ctx, q, nil, nil)
	if err != nil {
		return nil, grant, err
	}
	defer a.Close()
	body, err := a.all()
	if err != nil {
		return nil, grant, err
	}
	return &contract.Response{StatusCode: uint16(a.res.StatusCode), Header: responseHeader(a.res.Header), Body: body},
		grant, nil
}

// open makes a request, and returns when the head of its answer is there, which is to be closed. Of a request that
// comes with an offer, the body goes on as it comes, and all of the time that the link allows is that of the head: it
// begins when the body was sent. flow counts such a body.
func (c *client) open(ctx context.Context, q *contract.Request, o *provider.StreamOffer,
	flow func(grant string) *flow) (a *answer, grant string, err error) {
	target, err := c.judge(q.Method, q.URL)
	if err != nil {
		return nil, "", err
	}
	grant = target.Grant
	if int64(len(q.Body)) > c.requestBytes {
		return nil, grant, c.requestTooLarge(int64(len(q.Body)))
	}
	follows := o != nil && o.Body
	header, length, err := c.requestHeader(ctx, q, follows)
	if err != nil {
		return nil, grant, err
	}
	if !c.requests.Allow() {
		return nil, grant, contract.Fail(contract.ConnectionLimitReached,
			"more than %d requests a second; see requests_per_second", c.requestsPerSecond)
	}
	end := func() {}
	if o == nil {
		ctx, end = context.WithTimeoutCause(ctx, c.total, errTotal)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	a = &answer{client: c, ctx: ctx, cancel: cancel, end: end, between: shorter(q.BetweenBytes, c.betweenBytes),
		total: watch{cancel: cancel}, early: watch{cancel: cancel}, sending: watch{cancel: cancel},
		reading: watch{cancel: cancel}}
	if o != nil && !follows {
		a.total.await(c.total, errTotal)
	}
	defer func() {
		if err != nil {
			a.Close()
			a = nil
		}
	}()
	req, err := http.NewRequestWithContext(a.watched(q, follows), q.Method, target.URL.String(), nil)
	if err != nil {
		return a, grant, contract.Fail(contract.RequestURIInvalid, "%v", last(err))
	}
	req.Header = header
	switch {
	case follows && length != 0:
		req.ContentLength = length
		a.sent = &sentBody{answer: a, of: req, rest: q.Body, from: o.Stream, flow: flow(grant)}
		req.Body, req.Trailer = a.sent, http.Header{}
		if err = a.sent.declare(q); err != nil {
			return a, grant, err
		}
	case len(q.Body) > 0:
		req.ContentLength = int64(len(q.Body))
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(&paced{ctx, c.bytes, bytes.NewReader(q.Body)}), nil
		}
		req.Body, _ = req.GetBody()
	}
	if a.res, err = c.http.Do(req); err != nil {
		return a, grant, explain(ctx, err)
	}
	a.sending.end()
	a.total.end()
	switch {
	case a.res.StatusCode == http.StatusSwitchingProtocols:
		err = contract.Fail(contract.UpgradeFailed, "the server switches to what nobody asked for")
	case a.res.ContentLength > c.responseBytes && q.Method != http.MethodHead:
		err = c.tooLarge(a.res.ContentLength)
	}
	return a, grant, err
}

// watched bounds the steps of a request up to the first byte of the response's body. follows says that its body comes
// as a stream.
func (a *answer) watched(q *contract.Request, follows bool) context.Context {
	c := a.client
	return httptrace.WithClientTrace(a.ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			// The dialer sees to the time of the link, and knows what takes so long.
			if q.Connect > 0 && q.Connect < c.connect {
				a.early.await(q.Connect, errConnect)
			}
		},
		GotConn: func(info httptrace.GotConnInfo) {
			a.early.done()
			if a.sent != nil {
				a.sent.goesOver(info.Conn)
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) {
			a.sending.done()
			a.early.await(shorter(q.FirstByte, c.firstByte), errFirstByte)
			if follows {
				a.total.await(c.total, errTotal)
			}
		},
	})
}

func (c *client) tooLarge(bytes int64) error {
	return contract.Sized(contract.ResponseBodySize, bytes,
		"the body of the response has more than the %d bytes that the link allows; see max_response_bytes",
		c.responseBytes)
}

// answer is what came back, whose body may still be on its way: within the times, at the pace and of the size that the
// link allows. Reading it gives failures of the contract, or io.EOF at its end. It is not safe for concurrent use.
type answer struct {
	client  *client
	res     *http.Response  // nil: none came
	ctx     context.Context //nolint:containedctx // of the request, which Close ends
	cancel  context.CancelCauseFunc
	end     func()
	between time.Duration
	read    int64
	sent    *sentBody // the request's body; nil: it does not come as a stream

	total   watch // up to the head of an answer that may be a stream
	early   watch // the connection; then the first byte of the answer's body
	sending watch // a piece of the request's body that comes as a stream
	reading watch // a piece of the answer's body
}

// Close ends the request. What of the body was not read is given up.
func (a *answer) Close() {
	if a.res != nil {
		_ = a.res.Body.Close() // nobody wants more of it
	}
	for _, w := range []*watch{&a.total, &a.early, &a.sending, &a.reading} {
		w.end()
	}
	if a.sent != nil && a.sent.leave != nil {
		a.sent.leave()
	}
	a.cancel(nil)
	a.end()
}

// Read implements io.Reader. Before the first byte it waits within the time that a request has for that.
func (a *answer) Read(b []byte) (int, error) {
	c := a.client
	if a.read > 0 {
		a.reading.await(a.between, errBetween)
	}
	n, err := a.res.Body.Read(b[:min(len(b), part)])
	a.reading.done()
	if n > 0 {
		a.early.end()
	}
	if a.read += int64(n); a.read > c.responseBytes {
		return 0, c.tooLarge(a.read)
	}
	if err != nil && err != io.EOF {
		return n, explain(a.ctx, err)
	}
	if wait := c.bytes.WaitN(a.ctx, n); wait != nil {
		return n, explain(a.ctx, late(a.ctx, wait))
	}
	return n, err
}

// all reads the body into memory, where it counts for the process's large payloads.
func (a *answer) all() ([]byte, error) {
	c, most := a.client, a.client.responseBytes+1 // with the byte that is too much
	var held int64
	defer func() {
		if c.large != nil {
			c.large.Release(held)
		}
	}()
	body, room := []byte(nil), int64(0)
	for {
		if int64(len(body)) == room {
			next := min(4<<10, most)
			if room > 0 { // a length is believed once bytes come: answers to HEAD have one, and no body
				next = min(max(a.res.ContentLength+1, 2*room), most)
			}
			if c.large != nil {
				n, err := c.large.Hold(a.ctx, "the body of a response", next-room)
				if err != nil {
					return nil, err
				}
				held += n
			}
			body, room = slices.Grow(body, int(next-room)), next
		}
		n, err := a.Read(body[len(body):room])
		body = body[:len(body)+n]
		switch {
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
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
