package connect

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/internal/join"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

const prefix = "wasmbus.ctl"

// quiet leaves nothing in the environment that says where NATS is.
func quiet(t *testing.T) {
	t.Helper()
	for _, name := range []string{"WASMCLOUD_CTL_HOST", "WASMCLOUD_CTL_PORT", "NATS_HOST", "NATS_PORT"} {
		t.Setenv(name, "")
	}
}

func find(t *testing.T, s Settings, dir datadir.Dir) Way {
	t.Helper()
	s.Control = prefix
	w, err := Find(s, dir)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// up makes a lattice run with a data directory, as far as others can see.
func up(t *testing.T) datadir.Dir {
	t.Helper()
	dir := datadir.Dir(t.TempDir())
	release, err := dir.ClaimUp()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = release() })
	u := datadir.Up{PID: os.Getpid(), Lattice: "demo", NATSURL: "nats://127.0.0.1:7777", Creds: "here.creds",
		CA: "here.pem", ServerName: "here", Domain: "hub"}
	if err := dir.SaveUp(u); err != nil {
		t.Fatal(err)
	}
	return dir
}

func token(t *testing.T, roles ...natsauth.Role) string {
	t.Helper()
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		t.Fatal(err)
	}
	creds, _, err := natsauth.Issue(authority, natsauth.Identity{Name: "x", Roles: roles, Lattice: "far",
		Control: "other.ctl"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := join.Token{Lattice: "far", Control: "other.ctl", Servers: []string{"tls://198.51.100.7:4222"},
		JWT: creds.JWT, Seed: creds.Seed}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Each source of an address goes before those below it.
func TestWhereNATSIs(t *testing.T) {
	quiet(t)
	here := up(t)
	context := filepath.Join(t.TempDir(), "mine.json")
	if err := os.WriteFile(context, []byte(`{"url":"nats://198.51.100.8:4222","user":"u","password":"p"}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	if w := find(t, Settings{Join: token(t, natsauth.Operator)}, here); w.NATS.URL != "tls://198.51.100.7:4222" ||
		w.Control.Lattice != "far" || w.Control.Prefix != "other.ctl" {
		t.Errorf("token: %+v", w)
	}
	if w := find(t, Settings{URL: "nats://a:1"}, here); w.NATS.URL != "nats://a:1" || w.NATS.CredsFile != "" ||
		w.Control.Lattice != lattice.DefaultName || w.Control.Prefix != prefix {
		t.Errorf("URL: %+v", w)
	}
	if w := find(t, Settings{Context: context, User: "me", Password: "mine"},
		here); w.NATS.URL != "nats://198.51.100.8:4222" || w.NATS.User != "me" {
		t.Errorf("context: %+v", w.NATS.User)
	}
	t.Setenv("NATS_PORT", "4333")
	if w := find(t, Settings{}, here); w.NATS.URL != "nats://127.0.0.1:4333" {
		t.Errorf("environment: %+v", w)
	}
	t.Setenv("WASMCLOUD_CTL_HOST", "ctl")
	if w := find(t, Settings{}, here); w.NATS.URL != "nats://ctl:4222" {
		t.Errorf("environment of the dialect: %+v", w)
	}
	quiet(t)
	w := find(t, Settings{}, here)
	if w.NATS.URL != "nats://127.0.0.1:7777" || w.NATS.CredsFile != "here.creds" || w.NATS.TLSCA != "here.pem" ||
		w.NATS.TLSName != "here" || w.NATS.JSDomain != "hub" || w.Control.Lattice != "demo" {
		t.Errorf("what runs here: %+v", w)
	}
	if w := find(t, Settings{Lattice: "mine", Creds: "mine.creds", TLSCA: "mine.pem", Domain: "own"},
		here); w.Control.Lattice != "mine" || w.NATS.CredsFile != "mine.creds" ||
		w.NATS.TLSCA != "mine.pem" || w.NATS.TLSName != "" || w.NATS.JSDomain != "own" {
		t.Errorf("what runs here, with settings: %+v", w)
	}
	if w := find(t, Settings{}, datadir.Dir(t.TempDir())); w.NATS.URL != natsconn.DefaultURL {
		t.Errorf("nothing: %+v", w)
	}
}

func TestSettingsThatContradictATokenAreRefused(t *testing.T) {
	quiet(t)
	for _, c := range []struct {
		s    Settings
		want string
	}{
		{Settings{Join: token(t, natsauth.Operator), URL: "nats://a:1"}, "leave --nats-url away"},
		{Settings{Join: token(t, natsauth.Operator), Lattice: "near"}, "the token is for lattice far, not near"},
	} {
		if _, err := Find(c.s, ""); !usage.Is(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// A token for a host gives no commands, which is said before anything is tried; without a token the server decides.
func TestATokenSaysWhatItsBearerMayDo(t *testing.T) {
	quiet(t)
	w := find(t, Settings{Join: token(t, natsauth.Host)}, "")
	if err := w.May(natsauth.Host, "run a host"); err != nil {
		t.Error(err)
	}
	if err := w.May(natsauth.Operator, "give commands"); !errors.Is(err, lattice.ErrDenied) ||
		!strings.Contains(err.Error(), "weft token create --role operator") {
		t.Error(err)
	}
	if err := (Way{}).May(natsauth.Operator, "give commands"); err != nil {
		t.Error(err)
	}
}

// A host beside the machine's own server gets credentials of a host; one that was given its own keeps them.
func TestAHostOfThisMachineGetsCredentialsOfItsOwn(t *testing.T) {
	quiet(t)
	here := up(t)
	c, err := find(t, Settings{}, here).ForHost(here, here.Keys, natsauth.Identity{Publish: []string{"policy.ask"}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := natsauth.Read(c.JWT)
	if err != nil || !id.Has(natsauth.Host) || id.Has(natsauth.Operator) || id.Lattice != "demo" ||
		len(id.Publish) != 1 || c.CredsFile != "" {
		t.Errorf("%+v, %v", id, err)
	}
	if c, err := find(t, Settings{Creds: "mine.creds"}, here).ForHost(here, here.Keys,
		natsauth.Identity{}); err != nil || c.CredsFile != "mine.creds" || c.JWT != "" {
		t.Errorf("%v, %v", c.CredsFile, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	quiet(t)
	_, _, err := find(t, Settings{URL: "nats://127.0.0.1:1"}, "").Open(t.Context(), "weft test", operate.Config{})
	if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(), "nats://127.0.0.1:1") ||
		!strings.Contains(err.Error(), "weft up") {
		t.Error(err)
	}
}
