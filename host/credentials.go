package host

import (
	"fmt"
	"net/url"
	"os"

	"github.com/nats-io/nkeys"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// providerNATS is how providers reach NATS: host data carries an address and, where there are any, a user's JWT and seed.
type providerNATS struct {
	url, jwt, seed string
	issuer         *natsauth.HostIssuer // of credentials for each provider; nil: they get the host's
}

// providerAccess finds that out from the host's own connection. Passwords and tokens travel in the address, as NATS
// allows; client certificates cannot be handed over by the dialect.
func providerAccess(address string, c natsconn.Config) (providerNATS, error) {
	access := providerNATS{url: address, jwt: c.JWT, seed: c.Seed}
	switch {
	case c.Login != nil:
		l := c.Login()
		access.jwt, access.seed = l.JWT, l.Seed
	case c.CredsFile != "":
		b, err := os.ReadFile(c.CredsFile)
		if err != nil {
			return access, &lattice.Error{Code: lattice.ErrUnavailable, Op: "read credentials", Entity: c.CredsFile, Err: err}
		}
		if access.jwt, err = nkeys.ParseDecoratedJWT(b); err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		user, err := nkeys.ParseDecoratedNKey(b)
		if err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		seed, err := user.Seed()
		if err != nil {
			return access, credentialsError(c.CredsFile, err)
		}
		access.seed = string(seed)
	case c.User != "" || c.Token != "":
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return access, &lattice.Error{Code: lattice.ErrInvalid, Op: "hand NATS credentials to providers", Entity: natsconn.SafeURL(address),
				Detail: "the address must be one URL such as nats://host:4222"}
		}
		if u.User = url.UserPassword(c.User, c.Password); c.Token != "" {
			u.User = url.User(c.Token)
		}
		access.url = u.String()
	}
	return access, nil
}

func credentialsError(file string, err error) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read credentials", Entity: file, Err: fmt.Errorf("not a NATS credentials file: %w", err)}
}
