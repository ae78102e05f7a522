package httpserver

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// bodyOverhead is room for header and encoding beside a body, in bytes.
const bodyOverhead = 1 << 20

// MaxBody is the largest request body in bytes that a link may allow, which is what the lattice carries.
const MaxBody = linkvalue.MaxHTTPBody

var _ [invocation.DefaultMaxBytes - bodyOverhead - MaxBody]struct{} // it is no larger than that

// listenSettings are those that all links of an address share.
type listenSettings struct {
	certFile, keyFile string
	maxHeader         int
	read, write, idle time.Duration
	proxies           string // networks, in order, separated by commas
	forwarded         string // tellX or tellStandard
	maxConns          int64
	maxWaiting        int64
	share             int // percent
}

// trusted are the proxies.
func (s *listenSettings) trusted() proxies {
	p := proxies{tell: s.forwarded}
	for text := range strings.SplitSeq(s.proxies, ",") {
		if n, err := netip.ParsePrefix(text); err == nil { // "" is none
			p.networks = append(p.networks, n)
		}
	}
	return p
}

// settings are those of one link.
type settings struct {
	address  string // "IP:PORT"
	listen   listenSettings
	host     string // lower case; "" is any, "*.x" is any below x
	path     string // canonical, begins with "/", ends without unless it is all
	maxBody  int64
	inFlight int
	timeout  time.Duration // 0 is the lattice's
	cache    string
	readonly bool
}

// readSettings reads the values of a link over the process's defaults.
func readSettings(link, defaults provider.Values) (settings, error) {
	v, err := linkvalue.HTTPServer.Read(link, defaults)
	if err != nil {
		return settings{}, err
	}
	return settings{
		address: linkvalue.ListenAddress(v), host: v.Text("host"),
		path: cleanPath(v.Text("path")),
		listen: listenSettings{
			certFile: v.Text("tls_cert_file"), keyFile: v.Text("tls_key_file"),
			maxHeader: int(v.Number("max_header_bytes")),
			read:      v.Span("read_timeout"), write: v.Span("write_timeout"), idle: v.Span("idle_timeout"),
			proxies: v.Text("trusted_proxies"), forwarded: v.Text("forwarded_header"),
			maxConns: v.Number("max_connections"), maxWaiting: v.Number("max_waiting_bytes"),
			share: int(v.Number("client_share")),
		},
		maxBody: v.Number("max_body_bytes"), inFlight: int(v.Number("max_in_flight")),
		timeout: time.Duration(v.Number("timeout_ms")) * time.Millisecond, cache: v.Text("cache_control"),
		readonly: v.Truth("readonly_mode"),
	}, nil
}

// cleanPath is the canonical form of a link's path, without a slash at its end unless it is all.
func cleanPath(path string) string {
	if path = strings.TrimRight(canonicalPath(path), "/"); path == "" {
		return "/"
	}
	return path
}

// certificate opens the certificate and key; nil without one.
func (s listenSettings) certificate(readFile certfile.Reader, log *slog.Logger) (*certfile.Pair, error) {
	if s.certFile == "" {
		return nil, nil
	}
	pair, err := certfile.OpenPair(s.certFile, s.keyFile, readFile, log)
	return pair, linkfile.Mendable(err)
}

func readOnly(method string) bool { return method == http.MethodGet || method == http.MethodHead }
