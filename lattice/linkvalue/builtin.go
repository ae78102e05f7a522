package linkvalue

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// MaxHTTPBody bounds a request body of httpserver in bytes: what the lattice carries, without room for header and
// encoding.
const MaxHTTPBody = 127 << 20

// HTTPClient is the table of httpclient.
var HTTPClient = &Table{Provider: "httpclient", Contract: "wasmcloud:httpclient",
	Fields: []Field{
		{Name: "allowed_hosts", Kind: Hosts(), Unset: "none: all is denied",
			Missed: "without allowed_hosts the link denies all requests; give it such as allowed_hosts=example.com",
			Doc: "`example.com`, `*.example.com` (what is below it, not itself), `*` (any name, no address), " +
				"`10.0.0.7`, `[::1]`; with `http://` or `:8443` it says scheme and port, too"},
		{Name: "allowed_schemes", Kind: Choices("http", "https"), Default: "https",
			Doc: "of hosts that do not say one"},
		{Name: "allowed_ports", Kind: Ports(), Unset: "that of the scheme",
			Doc: "of hosts that do not say one: `443`, `8000-8099`"},
		{Name: "allowed_methods", Kind: Methods(), Default: "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS",
			Doc: "`*` is all; `CONNECT` is never made"},
		{Name: "allowed_networks", Kind: Networks(),
			Doc: "addresses that are not public and may be connected to all the same, see [Addresses](#addresses)"},
		{Name: "follow_redirects", Kind: Number(0, 20), Default: "0",
			Doc: "how many, each judged as the request was; without it the actor gets the redirect"},
		{Name: "proxy", Kind: Proxy(),
			Doc: "`http://[USER:PASSWORD@]HOST:PORT`, or `environment` for what `HTTP_PROXY`, " +
				"`HTTPS_PROXY` and `NO_PROXY` of the process say"},
		{Name: "ca_file", Kind: File(), Unset: "the system's",
			Doc: "PEM file of the authorities to trust, see [Files](#files)"},
		{Name: "ca_pem", Kind: Certificates(), Unset: "the system's", Doc: "the same as text"},
		{Name: "cert_file", Kind: File(), Doc: "PEM file of the client's certificate; with `key_file`"},
		{Name: "key_file", Kind: File(), Doc: "PEM file of its key"},
		{Name: "connect_timeout", Kind: Span(time.Millisecond), Default: "5s",
			Doc: "until a connection is there, TLS included"},
		{Name: "first_byte_timeout", Kind: Span(time.Millisecond), Default: "30s",
			Doc: "from the end of the request to the first byte of the response's body"},
		{Name: "between_bytes_timeout", Kind: Span(time.Millisecond), Default: "30s",
			Doc: "between two parts of a body, either way"},
		{Name: "timeout", Kind: Span(time.Millisecond), Default: "60s",
			Doc: "of a request, redirects included: with bodies in one piece until all of the answer is " +
				"here, with streams until its head is; the time that the caller waits is the other " +
				"bound"},
		{Name: "max_request_bytes", Kind: Size(0, MaxHTTPBody), Default: "10M",
			Doc: "of a request's body, at most 127M"},
		{Name: "max_response_bytes", Kind: Size(0, MaxHTTPBody), Default: "10M",
			Doc: "of a response's body, at most 127M"},
		{Name: "max_header_bytes", Kind: Size(1<<10, 1<<20), Default: "64K",
			Doc: "of the header of a request, and of a response; at most 1M"},
		{Name: "max_connections", Kind: Number(1, 1<<16), Default: "64", Doc: "open at the same time"},
		{Name: "requests_per_second", Kind: Number(1, 1<<20), Default: "1000",
			Doc: "beyond it, and a burst of one second's, requests fail at once"},
		{Name: "bytes_per_second", Kind: Size(1<<10, 1<<40), Default: "100M",
			Doc: "of bodies, both ways together; what is beyond waits"},
		{Name: "trace", Kind: Truth(), Default: "true",
			Doc: "`traceparent` and `tracestate` go with requests, unless the actor has set them"},
	},
	together: func(s Settings) error {
		switch {
		case s.Given("cert_file") != s.Given("key_file"):
			return wrong("cert_file", "certificate and key go together; key_file is the other")
		case s.Given("ca_file") && s.Given("ca_pem"):
			return wrong("ca_file", "it and ca_pem exclude each other")
		}
		return nil
	}}

// HTTPServer is the table of httpserver.
var HTTPServer = &Table{Provider: "httpserver", Contract: "wasmcloud:httpserver", Config: "config_json",
	ConfigBase64: "config_b64",
	Fields: []Field{
		{Name: "address", Kind: Address(), Unset: "`127.0.0.1:8000`",
			Doc: "where to listen, `IP:PORT` or `IP`; links may share an address"},
		{Name: "port", Kind: Port(), Unset: "that of `address`",
			Doc: "port alone; the IP is then `127.0.0.1` unless `address` has one"},
		{Name: "path", Kind: Path(), Default: "/",
			Doc: "prefix by whole segments, escaped or not (`/café`, `/a%20b`); " +
				"not taken off the path that the actor sees"},
		{Name: "host", Kind: Host(), Unset: "any", Doc: "`example.org` or `*.example.org`"},
		{Name: "tls_cert_file", Also: []string{"tls.cert_file"}, Kind: File(),
			Doc: "PEM file of the certificate and its chain; with `tls_key_file`, see [Files](#files)"},
		{Name: "tls_key_file", Also: []string{"tls.priv_key_file"}, Kind: File(), Doc: "PEM file of its key"},
		{Name: "max_body_bytes", Also: []string{"max_content_len"}, Kind: Size(1, MaxHTTPBody), Default: "10M",
			Doc: "at most 127M; more is 413. Suffixes K and M"},
		{Name: "max_header_bytes", Kind: Size(1<<10, 1<<20), Default: "64K", Doc: "at most 1M; more is 431"},
		{Name: "max_in_flight", Kind: Number(1, 1<<20), Default: "1024",
			Doc: "requests of the link that are here whole and not yet answered by the actor; more is 503"},
		{Name: "timeout_ms", Kind: Number(0, 3600_000), Unset: "the lattice's RPC timeout",
			Doc: "of the actor's answer, in milliseconds"},
		{Name: "read_timeout", Kind: Span(100 * time.Millisecond), Default: "30s", Doc: "of a whole request"},
		{Name: "write_timeout", Kind: Span(100 * time.Millisecond), Default: "60s",
			Doc: "for a client to take 64 KiB of its answer, or what is left of it"},
		{Name: "idle_timeout", Kind: Span(100 * time.Millisecond), Default: "60s", Doc: "of a kept connection"},
		{Name: "cache_control", Kind: HeaderText(), Doc: "for answers that have none"},
		{Name: "readonly_mode", Kind: Truth(), Default: "false", Doc: "only GET and HEAD"},
		{Name: "trusted_proxies", Kind: Networks(),
			Doc: "addresses and networks (`10.0.0.7, 192.0.2.0/24`) of proxies that are believed about their " +
				"clients, see [Clients](#clients)"},
		{Name: "forwarded_header", Kind: Choice("x-forwarded", "forwarded"), Default: "x-forwarded",
			Doc: "how they tell: by `X-Forwarded-For`, `-Proto` and `-Host`, or by `Forwarded`; " +
				"the other is not believed"},
		{Name: "max_connections", Kind: Number(1, 1<<20), Default: "8192",
			Doc: "of the address; with more, the client that has most loses one"},
		{Name: "max_waiting_bytes", Kind: Size(1<<20, 1<<40), Default: "256M",
			Doc: "what requests hold whose bodies have not come, and answers that have not been fetched; more is 503"},
		{Name: "client_share", Kind: Number(1, 100), Default: "25",
			Doc: "percent of both for one client (IPv4 address, IPv6 /64); more is 429"},
		{Name: "config_json", Kind: Text(),
			Doc: "the same values as a JSON object; `{\"tls\": {\"cert_file\": …}}` is `tls.cert_file`"},
		{Name: "config_b64", Kind: Text(), Doc: "the same in base64"},
		{Name: "config_file", Kind: Text(), Refused: "put the settings into config_json"},
		{Name: "log.level", Kind: Text(), Refused: "the host's --log-level counts for its providers"},
		{Name: "cors_allowed_origins", Also: []string{"cors.allowed_origins"}, Kind: Text(), Refused: byActor},
		{Name: "cors_allowed_headers", Also: []string{"cors.allowed_headers"}, Kind: Text(), Refused: byActor},
		{Name: "cors_allowed_methods", Also: []string{"cors.allowed_methods"}, Kind: Text(), Refused: byActor},
		{Name: "cors_exposed_headers", Also: []string{"cors.exposed_headers"}, Kind: Text(), Refused: byActor},
		{Name: "cors_max_age_secs", Also: []string{"cors.max_age_secs"}, Kind: Text(), Refused: byActor},
	},
	together: func(s Settings) error {
		_, port, err := net.SplitHostPort(s.Text("address"))
		switch {
		case err == nil && port != "" && s.Given("port") && !samePort(port, s.Number("port")):
			return wrong("port", "address and port name different ports, "+lattice.Printable(port)+" and "+
				strconv.FormatInt(s.Number("port"), 10))
		case s.Given("tls_cert_file") != s.Given("tls_key_file"):
			return wrong("tls_cert_file", "certificate and key go together; tls_key_file is the other")
		}
		return nil
	}}

// ListenAddress is where a link to an httpserver listens, HOST:PORT: the values address and port together.
func ListenAddress(s Settings) string {
	host, port := "127.0.0.1", "8000"
	if text := s.Text("address"); text != "" {
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			host, port = text, ""
		}
		if port == "" {
			port = "8000"
		}
	}
	if s.Given("port") {
		port = strconv.FormatInt(s.Number("port"), 10)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		port = strconv.FormatUint(n, 10)
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

const byActor = "let the actor answer OPTIONS and set the Access-Control headers itself"

// KeyvalueNATS is the table of keyvalue-nats.
var KeyvalueNATS = &Table{Provider: "keyvalue-nats", Contract: "wasmcloud:keyvalue",
	Fields: []Field{
		{Name: "bucket", Kind: Word(), Unset: "`WEFT_KEYVALUE_{lattice}`",
			Doc: "name of the JetStream bucket, made when missing"},
		{Name: "prefix", Kind: Text(), Doc: "before every key"},
		{Name: "replicas", Kind: Number(1, 5), Default: "1", Doc: "of a bucket that is made, at most 5"},
		{Name: "storage", Kind: Choice("file", "memory"), Default: "file", Doc: "of a bucket that is made"},
	}}

// KeyvalueRedis is the table of keyvalue-redis.
var KeyvalueRedis = &Table{Provider: "keyvalue-redis", Contract: "wasmcloud:keyvalue",
	Fields: []Field{
		{Name: "url", Kind: Secret(), Default: "redis://127.0.0.1:6379/",
			Doc: "`redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DB]`, `rediss://` for TLS; " +
				"several hosts are nodes of a Redis Cluster, or the sentinels with `sentinel_master`"},
		{Name: "username", Kind: Secret(), Unset: "that of the URL", Doc: "user of Redis"},
		{Name: "password", Kind: Secret(), Unset: "that of the URL", Doc: "its password"},
		{Name: "db", Kind: Number(0, 1<<20), Unset: "that of the URL", Doc: "number of the database"},
		{Name: "prefix", Kind: Text(), Doc: "before every key"},
		{Name: "ca_file", Kind: File(), Unset: "the system's",
			Doc: "PEM file of the authorities to trust, see [Files](#files)"},
		{Name: "cert_file", Kind: File(), Doc: "PEM file of the client's certificate; with `key_file`"},
		{Name: "key_file", Kind: File(), Doc: "PEM file of its key"},
		{Name: "pool_size", Kind: Number(1, 10000), Default: "32", Doc: "connections at most, to each node"},
		{Name: "sentinel_master", Kind: Text(), Doc: "name of the master that the sentinels at `url` know"},
		{Name: "sentinel_username", Kind: Secret(), Doc: "user of the sentinels themselves"},
		{Name: "sentinel_password", Kind: Secret(), Doc: "its password"},
	},
	together: func(s Settings) error {
		if s.Given("cert_file") != s.Given("key_file") {
			return wrong("cert_file", "certificate and key go together; key_file is the other")
		}
		if !s.Given("sentinel_master") && (s.Given("sentinel_username") || s.Given("sentinel_password")) {
			return wrong("sentinel_master", "credentials of sentinels need the name of a master")
		}
		return nil
	}}

// Builtins are the tables of the providers that come with weft, sorted by name.
func Builtins() []*Table { return []*Table{HTTPClient, HTTPServer, KeyvalueNATS, KeyvalueRedis} }

// Builtin finds the table of a built-in provider by name; nil when there is none.
func Builtin(name string) *Table {
	for _, t := range Builtins() {
		if t.Provider == name {
			return t
		}
	}
	return nil
}

func wrong(name, detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: name, Detail: detail}
}

func samePort(text string, port int64) bool {
	return strings.TrimLeft(text, "0") == strings.TrimLeft(strconv.FormatInt(port, 10), "0")
}
