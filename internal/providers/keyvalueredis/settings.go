package keyvalueredis

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Times that keep a call well below the lattice's default timeout of 2 s while Redis is away.
const (
	dialTimeout = 500 * time.Millisecond
	ioTimeout   = 800 * time.Millisecond
	keepAlive   = 5 * time.Minute // as the library does it
)

// settings tell servers apart. They hold secrets.
type settings struct {
	url, username, password   string
	caFile, certFile, keyFile string
	db, poolSize              int // db -1 is that of the URL

	sentinelMaster, sentinelUsername, sentinelPassword string
}

// String hides the secrets.
func (s settings) String() string { return "keyvalueredis.settings" }

// GoString is String.
func (s settings) GoString() string { return s.String() }

func invalid(name, detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: name, Detail: detail}
}

// readSettings reads the values of a link over the process's defaults.
func readSettings(link, defaults provider.Values) (s settings, prefix string, err error) {
	v, err := linkvalue.KeyvalueRedis.Read(link, defaults)
	if err != nil {
		return s, "", err
	}
	s = settings{url: strings.TrimSpace(v.Text("url")), username: v.Text("username"), password: v.Text("password"),
		caFile: v.Text("ca_file"), certFile: v.Text("cert_file"), keyFile: v.Text("key_file"), db: -1,
		poolSize:       int(v.Number("pool_size")),
		sentinelMaster: v.Text("sentinel_master"), sentinelUsername: v.Text("sentinel_username"),
		sentinelPassword: v.Text("sentinel_password")}
	if !strings.Contains(s.url, "://") {
		s.url = "redis://" + s.url
	}
	if v.Given("db") {
		s.db = int(v.Number("db"))
	}
	return s, v.Text("prefix"), nil
}

// target is where a server is: what the library needs for one node, and the addresses of all that the URL names.
type target struct {
	*redis.Options
	addresses []string
	files     []certfile.Expiring // of TLS
}

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
)

// target reads the URL. The library's own errors quote it, so they are not passed on.
func (s settings) target(readFile certfile.Reader, log *slog.Logger) (target, error) {
	first, addresses, err := s.hosts()
	if err != nil {
		return target{}, err
	}
	o, err := redis.ParseURL(first)
	if err != nil {
		return target{}, badURL()
	}
	if s.username != "" {
		o.Username = s.username
	}
	if s.password != "" {
		o.Password = s.password
	}
	if s.db >= 0 {
		o.DB = s.db
	}
	several := len(addresses) > 1 && s.sentinelMaster == ""
	if several && o.DB != 0 {
		return target{}, invalid("db", "several addresses mean a Redis Cluster, which has database 0 only")
	}
	if o.TLSConfig != nil && (several || s.sentinelMaster != "") {
		o.TLSConfig.ServerName = "" // of whichever is connected to
	}
	t := target{Options: o, addresses: addresses}
	if err := s.secure(&t, readFile, log); err != nil {
		return target{}, err
	}
	o.PoolSize = s.poolSize
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = ioTimeout, ioTimeout, ioTimeout
	o.MaxRetries = -1 // a call whose answer was lost may have happened
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return t, nil
}

func badURL() error {
	return invalid("url", "want redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...][/DB], or rediss:// for TLS")
}

// hosts takes the URL apart: one with the first host alone, and the addresses of all.
func (s settings) hosts() (first string, addresses []string, err error) {
	scheme, rest, _ := strings.Cut(s.url, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	at := strings.LastIndex(authority, "@") + 1
	port := defaultPort
	if s.sentinelMaster != "" {
		port = defaultSentinelPort
	}
	for host := range strings.SplitSeq(authority[at:], ",") {
		u, err := url.Parse("redis://" + strings.TrimSpace(host))
		if err != nil || u.Hostname() == "" && len(addresses) > 0 {
			return "", nil, badURL()
		}
		addresses = append(addresses, net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), port)))
	}
	return scheme + "://" + authority[:at] + addresses[0] + tail, addresses, nil
}

// cluster is the target as a Redis Cluster.
func (t target) cluster() *redis.ClusterOptions {
	return &redis.ClusterOptions{Addrs: t.addresses, Username: t.Username, Password: t.Password,
		TLSConfig: t.TLSConfig, Dialer: t.Dialer, PoolSize: t.PoolSize,
		DialTimeout: t.DialTimeout, DialerRetries: t.DialerRetries, ReadTimeout: t.ReadTimeout,
		WriteTimeout: t.WriteTimeout, PoolTimeout: t.PoolTimeout,
		MaxRetries: t.MaxRetries, MaxRedirects: -1, ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: t.MaintNotificationsConfig}
}

// failover is the target as the sentinels of a master.
func (t target) failover(s settings) *redis.FailoverOptions {
	return &redis.FailoverOptions{MasterName: s.sentinelMaster, SentinelAddrs: t.addresses,
		SentinelUsername: s.sentinelUsername, SentinelPassword: s.sentinelPassword,
		Username: t.Username, Password: t.Password, DB: t.DB, TLSConfig: t.TLSConfig, Dialer: t.Dialer,
		PoolSize:    t.PoolSize,
		DialTimeout: t.DialTimeout, DialerRetries: t.DialerRetries, ReadTimeout: t.ReadTimeout,
		WriteTimeout: t.WriteTimeout, PoolTimeout: t.PoolTimeout,
		MaxRetries: t.MaxRetries, ContextTimeoutEnabled: true, DisableIdentity: true}
}

// secure sets TLS up with files that are read again when they are replaced. The connections are made here, since the
// library takes authorities once.
func (s settings) secure(t *target, readFile certfile.Reader, log *slog.Logger) error {
	if t.TLSConfig == nil {
		if s.caFile != "" || s.certFile != "" || s.keyFile != "" {
			return invalid("ca_file", "certificates need a rediss:// URL")
		}
		return nil
	}
	tc := t.TLSConfig
	tc.MinVersion = tls.VersionTLS12
	tc.InsecureSkipVerify = false // the URL may ask for it; the lattice does not
	var roots *certfile.Roots
	if s.caFile != "" {
		var err error
		if roots, err = certfile.OpenRoots(s.caFile, false, readFile, log); err != nil {
			return linkfile.Mendable(err)
		}
		t.files = append(t.files, roots)
	}
	if s.certFile != "" {
		pair, err := certfile.OpenPair(s.certFile, s.keyFile, readFile, log)
		if err != nil {
			return linkfile.Mendable(err)
		}
		t.files = append(t.files, pair)
		tc.GetClientCertificate = pair.Client
	}
	t.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		now := tc.Clone()
		if roots != nil {
			now.RootCAs = roots.Pool()
		}
		return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive},
			Config: now}).DialContext(ctx, network, address)
	}
	return nil
}
