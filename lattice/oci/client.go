package oci

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/weftlattice/weft/internal/certfile"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/lattice"
)

// Defaults of a Config.
const (
	defaultMaxBytes = 256 << 20       // of one artifact
	defaultTimeout  = 5 * time.Minute // of an operation whose context has no deadline
)

const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 30 * time.Second // for a registry's answer to begin
	maxRetries    = 2                // of requests that a busy registry turns away
)

// Config says which registries a Client talks to, and how. The zero value talks to all of them over TLS, anonymously.
type Config struct {
	AllowLatest bool     // take the tag "latest", also where a missing tag means it
	Insecure    []string // registries ("host:port") that are spoken to over plain HTTP; all others over TLS
	// PEM file of authorities to trust besides the system's; read again when it is replaced
	CAFile       string
	Credentials  map[string]Credential // by registry ("host[:port]")
	DockerConfig bool                  // look for further credentials where docker and its helpers keep them

	MaxBytes int64        // limit of one artifact; 0 is 256 MiB
	Logger   *slog.Logger // nil discards
}

// Client talks to registries. It is safe for concurrent use.
type Client struct {
	cfg    Config
	http   *http.Client
	logins *logins
	roots  *certfile.Roots // nil without Config.CAFile
}

// New makes a client. It connects to nothing. A file of authorities that cannot be read or holds none is ErrInvalid.
func New(cfg Config) (*Client, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
	transport.ResponseHeaderTimeout = answerTimeout
	var roots *certfile.Roots
	if cfg.CAFile != "" {
		var err error
		if roots, err = certfile.OpenRoots(cfg.CAFile, true, linkfile.Read, cfg.Logger); err != nil {
			return nil, err
		}
		// with the authorities of now
		transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			return (&tls.Dialer{NetDialer: &net.Dialer{Timeout: dialTimeout},
				Config: &tls.Config{RootCAs: roots.Pool(), MinVersion: tls.VersionTLS12,
					NextProtos: []string{"h2", "http/1.1"}}}).DialContext(ctx, network, address)
		}
	}
	patient := retry.NewTransport(transport)
	patient.Policy = func() retry.Policy {
		return &retry.GenericPolicy{Retryable: retry.DefaultPredicate, Backoff: retry.DefaultBackoff,
			MinWait: 200 * time.Millisecond, MaxWait: 3 * time.Second, MaxRetry: maxRetries}
	}
	return &Client{cfg: cfg, http: &http.Client{Transport: patient}, logins: newLogins(cfg), roots: roots}, nil
}

// Authorities are certificates in a file. They are safe for concurrent use.
type Authorities interface {
	File() string
	Expires() time.Time // when the last of those in use ends
}

// Authorities are those of Config.CAFile; nil without one.
func (c *Client) Authorities() Authorities {
	if c.roots == nil {
		return nil
	}
	return c.roots
}

// Close ends idle connections.
func (c *Client) Close() {
	if t, ok := c.http.Transport.(*retry.Transport); ok {
		if base, ok := t.Base.(*http.Transport); ok {
			base.CloseIdleConnections()
		}
	}
}

// SetCredentials adds credentials, or replaces those of the same registries. They are kept in memory only.
func (c *Client) SetCredentials(all map[string]Credential) { c.logins.set(all) }

// Check refuses what this client would not fetch whatever the registry says: the tag "latest" without a digest, unless
// it is allowed, is ErrDenied.
func (c *Client) Check(ref Reference) error {
	if ref.Tag == Latest && ref.Digest == "" && !c.cfg.AllowLatest {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "fetch", Entity: ref.String(),
			Detail: "the tag latest does not say which version is meant; give another tag or a digest, " +
				"or allow it with --oci-allow-latest (WASMCLOUD_OCI_ALLOW_LATEST)"}
	}
	return nil
}

// repository prepares access to where a reference lies.
func (c *Client) repository(ref Reference) (*remote.Repository, error) {
	repo, err := remote.NewRepository(ref.Registry + "/" + ref.Repository)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch", Entity: ref.String(), Err: err}
	}
	client := &auth.Client{Client: c.http, Credential: c.logins.find, Cache: c.logins.tokens()}
	client.SetUserAgent("weft")
	repo.Client = client
	repo.PlainHTTP = slices.ContainsFunc(c.cfg.Insecure,
		func(r string) bool { return strings.EqualFold(r, ref.Registry) })
	repo.HandleWarning = func(w remote.Warning) {
		c.cfg.Logger.Warn("the registry warns", lattice.LogRef, ref.String(), "warning", lattice.Printable(w.Text))
	}
	return repo, nil
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}
