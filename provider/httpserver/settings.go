package httpserver

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/provider"
)

// Link values. Names do not distinguish case. Each may also stand in the JSON object of config_json or config_b64, which
// may hold "tls": {"cert_file", "priv_key_file"} too; what stands in the link itself wins, then those, then the
// configuration of the process.
const (
	ValueAddress    = "address"          // "IP:PORT" or "IP"; default 127.0.0.1:8000
	ValuePort       = "port"             // of address, whose IP is then 127.0.0.1 unless set
	ValueHost       = "host"             // "example.org" or "*.example.org"; default any
	ValuePath       = "path"             // prefix, by whole segments; default "/"
	ValueTLSCert    = "tls_cert_file"    // PEM files; both or none
	ValueTLSKey     = "tls_key_file"     //
	ValueMaxBody    = "max_body_bytes"   // also "max_content_len"; default DefaultMaxBody, at most MaxBody; K, M suffixes
	ValueMaxHeader  = "max_header_bytes" // default 64K, at most 1M; beyond it 431
	ValueMaxFlight  = "max_in_flight"    // requests of the link at the same time; default 1024; beyond it 503
	ValueTimeout    = "timeout_ms"       // of the actor's answer; default the lattice's RPC timeout
	ValueReadTime   = "read_timeout"     // of a whole request; default 30s
	ValueWriteTime  = "write_timeout"    // from the end of the request's header to the end of the response; default 60s
	ValueIdleTime   = "idle_timeout"     // of a kept connection; default 60s
	ValueCache      = "cache_control"    // for responses of the actor that have none
	ValueReadonly   = "readonly_mode"    // only GET and HEAD; default false
	ValueConfigJSON = "config_json"      // settings as JSON text
	ValueConfigB64  = "config_b64"       // the same in base64, padded or not
)

const (
	valueTLSCertJS  = "tls.cert_file"     // in JSON
	valueTLSKeyJS   = "tls.priv_key_file" // in JSON
	valueMaxContent = "max_content_len"   // the dialect's name of max_body_bytes
	valueConfigFile = "config_file"       // refused

	defaultAddress = "127.0.0.1"
	defaultPort    = 8000
	minTimeout     = 100 * time.Millisecond
	bodyOverhead   = 1 << 20 // header and encoding beside the body
)

// Limits of a request body in bytes. A larger setting than MaxBody is refused, since the lattice could not carry it.
const (
	DefaultMaxBody = 10 << 20
	MaxBody        = rpc.DefaultMaxBytes - bodyOverhead
)

var knownValues = []string{ValueAddress, ValuePort, ValueHost, ValuePath, ValueTLSCert, ValueTLSKey, ValueMaxBody, ValueMaxHeader,
	ValueMaxFlight, ValueTimeout, ValueReadTime, ValueWriteTime, ValueIdleTime, ValueCache, ValueReadonly, ValueConfigJSON,
	ValueConfigB64, valueTLSCertJS, valueTLSKeyJS, valueMaxContent, valueConfigFile}

// listenSettings are those that all links of an address share.
type listenSettings struct {
	certFile, keyFile string
	maxHeader         int
	read, write, idle time.Duration
}

// settings are those of one link.
type settings struct {
	address  string // "IP:PORT"
	listen   listenSettings
	host     string // lower case; "" is any, "*.x" is any below x
	path     string // begins with "/", ends without unless it is all
	maxBody  int64
	inFlight int
	timeout  time.Duration // 0 is the lattice's
	cache    string
	readonly bool
}

func invalid(name, detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: name, Detail: detail}
}

// readSettings reads the values of a link over the process's defaults, and returns the names it does not know.
func readSettings(link, defaults provider.Values) (s settings, odd []string, err error) {
	values, err := withConfig(link, defaults)
	if err != nil {
		return s, nil, err
	}
	if file, _ := values.Lookup(valueConfigFile); file != "" {
		return s, nil, invalid(valueConfigFile, "not supported; put the settings into "+ValueConfigJSON)
	}
	r := reader{values: values}
	s = settings{
		address: r.address(), host: r.host(), path: r.path(),
		listen: listenSettings{
			certFile: values.Text(ValueTLSCert, values.Text(valueTLSCertJS, "")), keyFile: values.Text(ValueTLSKey, values.Text(valueTLSKeyJS, "")),
			maxHeader: int(r.size(ValueMaxHeader, 64<<10, 1<<10, 1<<20)),
			read:      r.duration(ValueReadTime, 30*time.Second), write: r.duration(ValueWriteTime, time.Minute), idle: r.duration(ValueIdleTime, time.Minute),
		},
		maxBody:  r.size(ValueMaxBody, 0, 0, MaxBody),
		inFlight: int(r.size(ValueMaxFlight, 1024, 1, 1<<20)),
		timeout:  time.Duration(r.size(ValueTimeout, 0, 0, 3600_000)) * time.Millisecond,
		cache:    values.Text(ValueCache, ""),
	}
	if s.maxBody == 0 {
		s.maxBody = r.size(valueMaxContent, DefaultMaxBody, 0, MaxBody)
	}
	if s.readonly, err = values.Bool(ValueReadonly, false); err != nil {
		return s, nil, err
	}
	if r.err != nil {
		return s, nil, r.err
	}
	if strings.ContainsFunc(s.cache, func(c rune) bool { return c < ' ' || c > '~' }) {
		return s, nil, invalid(ValueCache, "want printable ASCII")
	}
	if (s.listen.certFile == "") != (s.listen.keyFile == "") {
		return s, nil, invalid(ValueTLSCert, "certificate and key go together")
	}
	return s, values.Unknown(knownValues...), nil
}

// withConfig lays the link over its JSON settings over the defaults.
func withConfig(link, defaults provider.Values) (provider.Values, error) {
	text, _ := link.Lookup(ValueConfigJSON)
	if b64, _ := link.Lookup(ValueConfigB64); b64 != "" {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(b64), "="))
		if err != nil {
			return nil, invalid(ValueConfigB64, "not base64")
		}
		text = string(raw)
	}
	config, err := provider.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	return link.Over(config).Over(defaults), nil
}

// reader reads values and keeps the first error.
type reader struct {
	values provider.Values
	err    error
}

func (r *reader) fail(name, detail string) {
	if r.err == nil {
		r.err = invalid(name, detail)
	}
}

func (r *reader) address() string {
	host, port := r.values.Text(ValueAddress, defaultAddress), ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	if p := r.values.Text(ValuePort, ""); p != "" {
		if port != "" && port != p {
			r.fail(ValuePort, "address and port name different ports, "+lattice.Printable(port)+" and "+lattice.Printable(p))
		}
		port = p
	}
	if port == "" {
		port = strconv.Itoa(defaultPort)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil {
		r.fail(ValuePort, lattice.Printable(port)+" is no port; want 1 to 65535")
	}
	host = strings.Trim(host, "[]")
	if host != "" && net.ParseIP(host) == nil && !validHost(host) {
		r.fail(ValueAddress, lattice.Printable(host)+" is no address; want IP:PORT")
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

func (r *reader) host() string {
	host := strings.ToLower(strings.TrimSuffix(r.values.Text(ValueHost, ""), "."))
	if host == "" || host == "*" {
		return ""
	}
	if name := strings.TrimPrefix(host, "*."); net.ParseIP(name) == nil && !validHost(name) {
		r.fail(ValueHost, lattice.Printable(host)+`; want a host name without port, or "*." and one`)
	}
	return host
}

func validHost(s string) bool {
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		return label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != ""
	})
}

func (r *reader) path() string {
	path := r.values.Text(ValuePath, "/")
	if path[0] != '/' || strings.ContainsAny(path, "?#") || strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		r.fail(ValuePath, lattice.Printable(path)+`; want a path that begins with "/"`)
	}
	if path = strings.TrimRight(path, "/"); path == "" {
		path = "/"
	}
	return path
}

// size reads a number of bytes, or another number, within limits; 0 as def stands for not set.
func (r *reader) size(name string, def, low, high int64) int64 {
	text := strings.ToUpper(strings.TrimSpace(r.values.Text(name, "")))
	if text == "" {
		return def
	}
	unit := int64(1)
	for suffix, size := range map[string]int64{"K": 1 << 10, "KB": 1 << 10, "KIB": 1 << 10, "M": 1 << 20, "MB": 1 << 20, "MIB": 1 << 20} {
		if digits := strings.TrimRight(text, "KMIB"); text == digits+suffix {
			text, unit = strings.TrimSpace(digits), size
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > high/unit || n*unit < low {
		value, _ := r.values.Lookup(name)
		r.fail(name, fmt.Sprintf("%q; want a number from %d to %d", lattice.Printable(value), low, high))
		return def
	}
	return n * unit
}

func (r *reader) duration(name string, def time.Duration) time.Duration {
	d, err := r.values.Duration(name, def)
	if err == nil && d < minTimeout {
		err = invalid(name, "want at least "+minTimeout.String())
	}
	if err != nil && r.err == nil {
		r.err = err
	}
	return d
}

// tlsConfig loads the certificate; nil without one.
func (s listenSettings) tlsConfig() (*tls.Config, error) {
	if s.certFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: s.certFile, Err: err}
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

func readOnly(method string) bool { return method == http.MethodGet || method == http.MethodHead }
