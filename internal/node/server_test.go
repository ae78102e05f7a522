package node

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/keys"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// serve starts a server of its own data directory on a free port of loopback.
func serve(t *testing.T, change func(*ServerConfig)) (*Server, keys.Keeper) {
	t.Helper()
	k := keys.Keeper{Dir: datadir.Dir(t.TempDir()), Passphrase: &keys.Passphrase{FD: -1}}
	c := ServerConfig{Dir: k.Dir, Keys: k.Store, Control: subject.Control{Prefix: subject.DefaultControlPrefix,
		Lattice: "demo"}, Listen: "127.0.0.1", Port: -1,
		Logger: latticetest.Logger(t), Warn: func(text string) { t.Log(text) }}
	change(&c)
	s, err := StartServer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return s, k
}

func connects(t *testing.T, c natsconn.Config) error {
	t.Helper()
	nc, err := natsconn.Connect(t.Context(), c)
	if err == nil {
		nc.Close()
	}
	return err
}

// On loopback everybody of the machine may come in, and nobody can be invited.
func TestAServerOnLoopback(t *testing.T) {
	s, k := serve(t, func(*ServerConfig) {})
	if err := errors.Join(connects(t, s.ForHost), connects(t, s.ForOperator)); err != nil || s.Joinable {
		t.Errorf("joinable %v, %v", s.Joinable, err)
	}
	_, err := Invite(k, Invitation{Want: natsauth.Identity{Roles: []natsauth.Role{natsauth.Host}}},
		func(text string) { t.Error(text) }, nil)
	if !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(), "--nats-listen 0.0.0.0") {
		t.Error(err)
	}
}

// With roles the machine's own host and people have credentials, others are invited by tokens, and strangers stay
// outside.
func TestOthersJoinByInvitation(t *testing.T) {
	s, k := serve(t, func(c *ServerConfig) { c.Auth = true })
	if err := errors.Join(connects(t, s.ForHost), connects(t, s.ForOperator)); err != nil || !s.Joinable {
		t.Errorf("joinable %v, %v", s.Joinable, err)
	}
	stranger := s.ForHost
	stranger.JWT, stranger.Seed = "", ""
	if err := connects(t, stranger); !errors.Is(err, lattice.ErrDenied) {
		t.Errorf("a stranger: %v", err)
	}
	var got join.Token
	warned := ""
	invitation := Invitation{Want: natsauth.Identity{Name: "second", Roles: []natsauth.Role{natsauth.Host}},
		ClusterKey: true}
	invitation.Servers = []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port()))}
	id, err := Invite(k, invitation, func(text string) { warned = text },
		func(t join.Token) error { got = t; return nil })
	if err != nil || id.Lattice != "demo" || got.Lattice != "demo" || got.ClusterSeed == "" || warned != "" ||
		!slices.Equal(got.Servers, []string{"tls://" + invitation.Servers[0]}) {
		t.Fatalf("%+v, %s, %q, %v", id, got, warned, err)
	}
	if err := connects(t, got.Connection()); err != nil {
		t.Errorf("by token: %v", err)
	}
	if found, err := FindToken(k.Dir.Users(), "second"); err != nil || found != id.ID {
		t.Errorf("%s, %v; want %s", found, err, id.ID)
	}
	failed := errors.New("the disk is full")
	invitation.Want.Name = "third"
	if _, err := Invite(k, invitation, func(string) {}, func(join.Token) error { return failed }); !errors.Is(err,
		failed) {
		t.Errorf("not handed over: %v", err)
	}
	if _, err := FindToken(k.Dir.Users(), "third"); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("a token that nobody has is good: %v", err)
	}
}

// The name of a token that is revoked can be used again; alone it is still found.
func TestARevokedTokenIsMeantOnlyWhereNoOtherFits(t *testing.T) {
	_, k := serve(t, func(c *ServerConfig) { c.Auth = true })
	users := k.Dir.Users()
	invite := func() string {
		id, err := Invite(k, Invitation{Want: natsauth.Identity{Name: "edge", Roles: []natsauth.Role{natsauth.Host}},
			Servers: []string{"a:1"}}, func(string) {}, func(join.Token) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return id.ID
	}
	first := invite()
	if _, err := users.Revoke(first); err != nil {
		t.Fatal(err)
	}
	if id, err := FindToken(users, "edge"); err != nil || id != first {
		t.Errorf("%s, %v; want %s", id, err, first)
	}
	second := invite()
	if id, err := FindToken(users, "edge"); err != nil || id != second {
		t.Errorf("%s, %v; want %s", id, err, second)
	}
}

func TestAnAddressWithAPortIsRefused(t *testing.T) {
	for listen, want := range map[string]string{"127.0.0.1:4222": "the port is --nats-port 4222",
		"[::1]:4222": "the port is --nats-port 4222"} {
		c := ServerConfig{Listen: listen}
		err := c.checkListen()
		if !usage.Is(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", listen, err, want)
		}
	}
	c := ServerConfig{Listen: "[::1]"}
	if err := c.checkListen(); err != nil || c.Listen != "::1" {
		t.Errorf("%s, %v", c.Listen, err)
	}
}

func TestPublic(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1": false, "::1": false, "localhost": false, "0.0.0.0": true,
		"::": true, "192.0.2.1": true, "edge.example": true} {
		if public(listen) != want {
			t.Errorf("%s: %v", listen, !want)
		}
	}
}
