package httpclient

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/providers/httpclient/internal/egress"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
)

// dialer makes the connections of a link. It is safe for concurrent use.
type dialer struct {
	*settings
	resolver *net.Resolver // nil: the system's
	places   chan struct{} // one for each connection
	idle     func()        // closes connections that nobody uses
	open     atomic.Int64
}

// take gets a place for a connection, in the place of an idle one if need be.
func (d *dialer) take(ctx context.Context) error {
	select {
	case d.places <- struct{}{}:
		return nil
	default:
	}
	d.idle()
	late := time.NewTimer(d.connect)
	defer late.Stop()
	select {
	case d.places <- struct{}{}:
		return nil
	case <-late.C:
	case <-ctx.Done():
	}
	return contract.Fail(contract.ConnectionLimitReached,
		"all %d connections of the link are in use; see max_connections", cap(d.places))
}

// dial connects to an address that the rules allow. The system connects to the very address that was judged.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return d.connectTo(ctx, network, address, func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return contract.Fail(contract.InternalError, "an address that is none: %s", address)
		}
		return d.rules.Connect(to.Addr())
	})
}

type control func(ctx context.Context, network, address string, c syscall.RawConn) error

func (d *dialer) connectTo(ctx context.Context, network, address string, allow control) (net.Conn, error) {
	if err := d.take(ctx); err != nil {
		return nil, err
	}
	by := net.Dialer{Timeout: d.connect, Resolver: d.resolver, ControlContext: allow}
	c, err := by.DialContext(ctx, network, egress.Absolute(address))
	if err != nil {
		<-d.places
		return nil, unreachable(address, err)
	}
	d.open.Add(1)
	life, end := context.WithCancel(context.Background())
	return &conn{Conn: c, patience: d.betweenBytes, life: life, gone: sync.OnceFunc(func() {
		end()
		d.open.Add(-1)
		<-d.places
	})}, nil
}

// dialPlain is for requests without TLS. The transport asks it to connect to the proxy, where there is one.
func (d *dialer) dialPlain(ctx context.Context, network, address string) (net.Conn, error) {
	if address == d.plainProxy {
		return d.connectTo(ctx, network, address, nil)
	}
	return d.dial(ctx, network, address)
}

// dialTLS is for requests with TLS.
func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	var raw net.Conn
	switch proxy, bad := d.proxyOf(&url.URL{Scheme: "https", Host: address}); {
	case bad != nil:
		err = bad
	case proxy != nil:
		raw, err = d.tunnel(ctx, network, proxy, address)
	default:
		raw, err = d.dial(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	secure := tls.Client(raw, d.tls(host))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // what counts is why
		return nil, insecure(host, err)
	}
	return secure, nil
}

// tunnel connects to an address by way of a proxy.
func (d *dialer) tunnel(ctx context.Context, network string, proxy *url.URL, address string) (net.Conn, error) {
	c, err := d.connectTo(ctx, network, proxyAddress(proxy), nil)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	ask := &http.Request{Method: "CONNECT", URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		ask.Header.Set("Proxy-Authorization",
			"Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	head := &io.LimitedReader{R: c, N: d.headerBytes}
	answers := bufio.NewReaderSize(head, 4<<10)
	err = ask.Write(c)
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(answers, ask)
	}
	switch {
	case err != nil && head.N <= 0:
		err = contract.Fail(contract.DestinationUnavailable,
			"the proxy answers with a header of more than %d bytes; see max_header_bytes", d.headerBytes)
	case err != nil:
		err = unreachable(proxyAddress(proxy), err)
	case res.StatusCode != http.StatusOK:
		err = contract.Fail(contract.DestinationUnavailable, "the proxy answers %s", res.Status)
	case answers.Buffered() > 0:
		err = contract.Fail(contract.ProtocolError, "the proxy speaks before it is spoken to")
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// conn is a connection that gives its place back. What it writes has to get on.
type conn struct {
	net.Conn
	patience time.Duration
	life     context.Context //nolint:containedctx // ends when the connection is closed
	gone     func()
}

// lifeOf is the life of a connection that a dialer has made.
func lifeOf(c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return c.(*conn).life
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	defer c.gone()
	return c.Conn.Close()
}
