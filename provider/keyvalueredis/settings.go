package keyvalueredis

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/provider"
)

// Link values. Names do not distinguish case; the configuration of the process gives their defaults.
const (
	ValueURL      = "url"       // redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS; default DefaultURL
	ValueUsername = "username"  // instead of the one in the URL
	ValuePassword = "password"  // instead of the one in the URL
	ValueDB       = "db"        // number of the database, instead of the one in the URL
	ValuePrefix   = "prefix"    // put before every key; default none
	ValueCAFile   = "ca_file"   // PEM file of the authorities to trust instead of the system's
	ValueCertFile = "cert_file" // PEM files of the client's certificate; both or none
	ValueKeyFile  = "key_file"  //
	ValuePoolSize = "pool_size" // connections at most; default 32
)

// DefaultURL is where Redis is when a link does not say.
const DefaultURL = "redis://127.0.0.1:6379/"

var knownValues = []string{ValueURL, ValueUsername, ValuePassword, ValueDB, ValuePrefix, ValueCAFile, ValueCertFile, ValueKeyFile, ValuePoolSize}

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

func readSettings(values provider.Values) (s settings, prefix string, err error) {
	s = settings{url: strings.TrimSpace(values.Text(ValueURL, DefaultURL)), username: values.Text(ValueUsername, ""), password: values.Text(ValuePassword, ""),
		caFile: values.Text(ValueCAFile, ""), certFile: values.Text(ValueCertFile, ""), keyFile: values.Text(ValueKeyFile, "")}
	if !strings.Contains(s.url, "://") {
		s.url = "redis://" + s.url
	}
	if s.db, err = values.Int(ValueDB, -1); err != nil {
		return s, "", err
	}
	if s.poolSize, err = values.Int(ValuePoolSize, 32); err == nil && (s.poolSize < 1 || s.poolSize > 10000) {
		err = invalid(ValuePoolSize, "want 1 to 10000")
	}
	if err == nil && s.db < -1 {
		err = invalid(ValueDB, "want 0 or more")
	}
	prefix, _ = values.Lookup(ValuePrefix)
	return s, prefix, err
}

// options are what the library needs. Its own errors quote the URL, so they are not passed on.
func (s settings) options() (*redis.Options, error) {
	o, err := redis.ParseURL(s.url)
	if err != nil {
		return nil, invalid(ValueURL, "want redis://[USER:PASSWORD@]HOST[:PORT][/DB], or rediss:// for TLS")
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
	if err := s.tls(o); err != nil {
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

func (s settings) tls(o *redis.Options) error {
	if o.TLSConfig == nil {
		if s.caFile != "" || s.certFile != "" || s.keyFile != "" {
			return invalid(ValueCAFile, "certificates need a rediss:// URL")
		}
		return nil
	}
	o.TLSConfig.MinVersion = tls.VersionTLS12
	o.TLSConfig.InsecureSkipVerify = false // the URL may ask for it; the lattice does not
	if s.caFile != "" {
		pem, err := os.ReadFile(s.caFile)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "read", Entity: ValueCAFile, Err: err}
		}
		o.TLSConfig.RootCAs = x509.NewCertPool()
		if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
			return invalid(ValueCAFile, s.caFile+" holds no PEM certificate")
		}
	}
	if (s.certFile == "") != (s.keyFile == "") {
		return invalid(ValueCertFile, "certificate and key go together")
	}
	if s.certFile != "" {
		cert, err := tls.LoadX509KeyPair(s.certFile, s.keyFile)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "load TLS certificate", Entity: s.certFile, Err: err}
		}
		o.TLSConfig.Certificates = []tls.Certificate{cert}
	}
	return nil
}
