package oci

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/weftlattice/weft/lattice"
)

// Credential is how to log in to a registry: a user name with a password or a token, or a token alone. Printing it
// shows no secret.
type Credential struct {
	Username string
	Password string
	Token    string // in place of a password; alone it is sent as a bearer token
}

// String hides the secrets.
func (c Credential) String() string { return "Credential{" + c.Username + "}" }

// GoString is String.
func (c Credential) GoString() string { return c.String() }

// LogValue is String.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Credential) auth() auth.Credential {
	switch {
	case c.Username == "" && c.Token != "":
		return auth.Credential{AccessToken: c.Token}
	case c.Password == "":
		return auth.Credential{Username: c.Username, Password: c.Token}
	}
	return auth.Credential{Username: c.Username, Password: c.Password}
}

// logins finds the credential of a registry: those given at run time, those configured, then docker's. Tokens that
// registries gave are kept until credentials change.
type logins struct {
	docker bool
	log    *slog.Logger

	mu    sync.Mutex
	known map[string]Credential // by registry; guarded by mu
	cache auth.Cache            // guarded by mu
}

func newLogins(cfg Config) *logins {
	l := &logins{docker: cfg.DockerConfig, log: cfg.Logger, known: map[string]Credential{}}
	l.set(cfg.Credentials)
	return l
}

func (l *logins) set(all map[string]Credential) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for registry, c := range all {
		l.known[strings.ToLower(registry)] = c
	}
	l.cache = auth.NewCache()
}

func (l *logins) tokens() auth.Cache {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cache
}

// find is an auth.CredentialFunc. A docker configuration that cannot be read is logged and passed over.
func (l *logins) find(ctx context.Context, registry string) (auth.Credential, error) {
	l.mu.Lock()
	c, ok := l.known[strings.ToLower(registry)]
	l.mu.Unlock()
	if ok {
		return c.auth(), nil
	}
	if !l.docker {
		return auth.EmptyCredential, nil
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err == nil {
		var found auth.Credential
		if found, err = credentials.Credential(store)(ctx, registry); err == nil {
			return found, nil
		}
	}
	l.log.Warn("docker's credentials cannot be read", "registry", registry, lattice.LogErr, err)
	return auth.EmptyCredential, nil
}
