package node

import (
	"os"
	"strconv"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/keys"
	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
)

// Invitation is what a token shall be good for.
type Invitation struct {
	Want       natsauth.Identity // its Lattice may be empty: the one of the server
	Servers    []string          // addresses of NATS as others reach it; empty: those of this machine
	ClusterKey bool              // put the cluster key into the token, too
}

// Invite makes a user of the NATS server of a data directory, and hands over all that it needs to join. When hand fails
// there is no such user. warn is called with what a person should know. lattice.ErrNotFound: no server there can be
// joined.
func Invite(keeper keys.Keeper, i Invitation, warn func(text string),
	hand func(join.Token) error) (id natsauth.Identity, err error) {
	here, err := keeper.Dir.Server()
	if err != nil {
		return id, err
	}
	if i.Want.Lattice == "" {
		i.Want.Lattice = here.Lattice
	}
	store, err := keeper.Store()
	if err != nil {
		return id, err
	}
	realm, err := keeper.Dir.Realm(store)
	if err != nil {
		return id, err
	}
	t := join.Token{Lattice: i.Want.Lattice, Control: i.Want.Control, ServerName: here.ServerName}
	if here.CAFile != "" {
		pem, err := os.ReadFile(here.CAFile)
		if err != nil {
			return id, localfile.Error("read", here.CAFile, err)
		}
		t.CA = string(pem)
	}
	if t.Servers, err = i.servers(here, warn); err != nil {
		return id, err
	}
	if i.ClusterKey {
		k, err := keeper.Invited(i.Want.Lattice)
		if err != nil {
			return id, err
		}
		t.ClusterSeed = k.Seed()
	}
	return realm.Issue(i.Want, func(c natsauth.Credentials) error {
		t.JWT, t.Seed = c.JWT, c.Seed
		return hand(t)
	})
}

// servers are the URLs of NATS for others.
func (i Invitation) servers(here datadir.Server, warn func(string)) ([]string, error) {
	addresses := i.Servers
	if len(addresses) == 0 {
		if addresses = join.Addresses(here.Listen, strconv.Itoa(here.Port)); len(addresses) == 0 {
			return nil, usage.Errorf("this machine has no address that others reach; say how they reach it: "+
				"--server HOST:%d", here.Port)
		}
		if !public(here.Listen) {
			warn("NATS listens on " + lattice.Visible(here.Listen) +
				", which no other machine reaches; start it with --nats-listen 0.0.0.0")
		}
	}
	scheme := "tls://"
	if here.Plain {
		scheme = "nats://"
	}
	var urls []string
	for _, s := range addresses {
		if !strings.Contains(s, "://") {
			s = scheme + s
		}
		urls = append(urls, s)
	}
	return urls, nil
}

// FindToken finds a user that was invited here by what a person says of it. One that is revoked is meant only where no
// other fits, so that a name can be used again.
func FindToken(users natsauth.Users, query string) (id string, err error) {
	list, err := users.List()
	if err != nil {
		return "", err
	}
	var good, all []operate.Candidate
	for _, u := range list {
		c := operate.Candidate{ID: u.ID, Names: []string{u.Name}}
		all = append(all, c)
		if u.Revoked.IsZero() {
			good = append(good, c)
		}
	}
	c, err := operate.Resolve("token", query, good)
	if lattice.CodeOf(err) == lattice.ErrNotFound {
		c, err = operate.Resolve("token", query, all)
	}
	return c.ID, err
}
