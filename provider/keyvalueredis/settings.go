package keyvalueredis

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkfile"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/provider"
)

// Times that keep a call well below the lattice's default timeout of 2 s while Redis is away.
const (
	dialTimeout = 500 * time.Millisecond
	ioTimeout   = 800 * time.Millisecond
)

// settings tell servers apart. They hold secrets.
type settings struct {
	url, username, password   string
	caFile, certFile, keyFile string
	db, poolSize              int // db -1 is that of the URL
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
		caFile: v.Text("ca_file"), certFile: v.Text("cert_file"), keyFile: v.Text("key_file"), db: -1, poolSize: int(v.Number("pool_size"))}
	if !strings.Contains(s.url, "://") {
		s.url = "redis://" + s.url
	}
	if v.Given("db") {
		s.db = int(v.Number("db"))
	}
	return s, v.Text("prefix"), nil
}

// options are what the library needs. Its own errors quote the URL, so they are not passed on.
func (s settings) options(files linkfile.Folders) (*redis.Options, error) {
	o, err := redis.ParseURL(s.url)
	if err != nil {
		return nil, invalid("url", "want redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS")
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
	if err := s.tls(o, files); err != nil {
		return nil, err
	}
	o.PoolSize = s.poolSize
	o.DialTimeout, o.DialerRetries = dialTimeout, 1
	o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = ioTimeout, ioTimeout, ioTimeout
	o.MaxRetries = -1 // a call whose answer was lost may have happened
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

func (s settings) tls(o *redis.Options, files linkfile.Folders) error {
	if o.TLSConfig == nil {
		if s.caFile != "" || s.certFile != "" || s.keyFile != "" {
			return invalid("ca_file", "certificates need a rediss:// URL")
		}
		return nil
	}
	o.TLSConfig.MinVersion = tls.VersionTLS12
	o.TLSConfig.InsecureSkipVerify = false // the URL may ask for it; the lattice does not
	if s.caFile != "" {
		pem, err := files.Read(s.caFile)
		if err != nil {
			return err
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return invalid("ca_file", s.caFile+" holds no PEM certificate")
		}
	}
	if s.certFile != "" {
		chain, err := files.Read(s.certFile)
		if err != nil {
			return err
		}
		key, err := files.Read(s.keyFile)
		if err != nil {
			return err
		}
		cert, err := tls.X509KeyPair(chain, key)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: s.certFile, Err: err}
		}
		o.TLSConfig.Certificates = []tls.Certificate{cert}
	}
	return nil
}
