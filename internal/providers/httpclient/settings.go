package httpclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/providers/httpclient/internal/egress"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// settings are the values of a link.
type settings struct {
	rules     *egress.Rules
	redirects int
	trace     bool

	proxy      func(*url.URL) (*url.URL, error) // nil: there is none
	plainProxy string                           // the address of that for requests without TLS; "" without one

	connect, firstByte, betweenBytes, total time.Duration

	requestBytes, responseBytes, headerBytes int64
	connections, requestsPerSecond           int
	bytesPerSecond                           int64

	roots func() *x509.CertPool // nil result: the system's
	pair  *certfile.Pair        // nil: none
	files []certfile.Expiring
}

func readSettings(link, defaults provider.Values, readFile certfile.Reader, log *slog.Logger) (*settings, error) {
	v, err := linkvalue.HTTPClient.Read(link, defaults)
	if err != nil {
		return nil, err
	}
	rules, err := egress.Read(v)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInternal, Op: "read link values", Err: err}
	}
	s := &settings{rules: rules, redirects: int(v.Number("follow_redirects")), trace: v.Truth("trace"),
		connect: v.Span("connect_timeout"), firstByte: v.Span("first_byte_timeout"),
		betweenBytes: v.Span("between_bytes_timeout"), total: v.Span("timeout"),
		requestBytes: v.Number("max_request_bytes"), responseBytes: v.Number("max_response_bytes"),
		headerBytes: v.Number("max_header_bytes"), connections: int(v.Number("max_connections")),
		requestsPerSecond: int(v.Number("requests_per_second")), bytesPerSecond: v.Number("bytes_per_second"),
		roots: func() *x509.CertPool { return nil }}
	switch text := v.Text("proxy"); text {
	case "":
	case "environment":
		s.proxy = httpproxy.FromEnvironment().ProxyFunc()
	default:
		u, err := url.Parse(text)
		if err != nil {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: "proxy"}
		}
		s.proxy = func(*url.URL) (*url.URL, error) { return u, nil }
	}
	if p, err := s.proxyOf(&url.URL{Scheme: "http", Host: "somewhere.invalid"}); err == nil && p != nil {
		s.plainProxy = proxyAddress(p)
	}
	if pem := v.Text("ca_pem"); pem != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(pem))
		s.roots = func() *x509.CertPool { return pool }
	}
	if file := v.Text("ca_file"); file != "" {
		roots, err := certfile.OpenRoots(file, false, readFile, log)
		if err != nil {
			return nil, linkfile.Mendable(err)
		}
		s.roots = roots.Pool
		s.files = append(s.files, roots)
	}
	if file := v.Text("cert_file"); file != "" {
		if s.pair, err = certfile.OpenPair(file, v.Text("key_file"), readFile, log); err != nil {
			return nil, linkfile.Mendable(err)
		}
		s.files = append(s.files, s.pair)
	}
	return s, nil
}

// tls is the configuration of a connection that is made now.
func (s *settings) tls(name string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name, RootCAs: s.roots(),
		NextProtos: []string{"h2", "http/1.1"}}
	if s.pair != nil {
		c.GetClientCertificate = s.pair.Client
	}
	return c
}

// proxyOf is the proxy that leads to a URL; nil: none.
func (s *settings) proxyOf(u *url.URL) (*url.URL, error) {
	if s.proxy == nil {
		return nil, nil
	}
	p, err := s.proxy(u)
	if err != nil || p != nil && p.Scheme != "http" {
		return nil, contract.Fail(contract.ConfigurationError,
			"the proxy in the environment of the provider's process is none that begins with http://")
	}
	return p, nil
}

// plain is for http.Transport.Proxy, of requests without TLS. For the others the dialer makes a tunnel.
func (s *settings) plain(r *http.Request) (*url.URL, error) {
	if r.URL.Scheme != "http" {
		return nil, nil
	}
	return s.proxyOf(r.URL)
}

// proxyAddress is where a proxy is dialed.
func proxyAddress(proxy *url.URL) string {
	return net.JoinHostPort(proxy.Hostname(), cmp.Or(proxy.Port(), "80"))
}
