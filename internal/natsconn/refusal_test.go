package natsconn

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Credentials of weft's own: their file and their end are named, and how new ones are made.
func TestAnExpiredCredentialsFileIsNamedWithItsEnd(t *testing.T) {
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		t.Fatal(err)
	}
	creds, _, err := natsauth.Issue(authority, natsauth.Identity{Name: "anna",
		Roles: []natsauth.Role{natsauth.Operator}, Lattice: "default", Expires: end})
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "anna.creds", []byte(creds.File()))
	cfg := Config{URL: "nats://127.0.0.1:4222", CredsFile: file}
	want := "the credentials of anna expired at " + end.UTC().Format(time.RFC3339) + "; they are in " + file +
		"; have new ones made"
	if got := cfg.refusal(end.Add(time.Second)); got.Code != lattice.ErrDenied || !strings.HasPrefix(got.Detail,
		want) || !strings.Contains(got.Detail, "weft token create --creds-out") {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := cfg.refusal(end.Add(-time.Second)); strings.Contains(got.Detail, "expired") ||
		!strings.Contains(got.Detail, file) {
		t.Errorf("before the end: %s", got)
	}
}

// A host that joined by a token reads the file of --join again: what it says of the way out is true.
func TestARefusedHostSaysThatItTakesAReplacedToken(t *testing.T) {
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(role natsauth.Role) Login {
		creds, _, err := natsauth.Issue(authority, natsauth.Identity{Name: "edge-1", Roles: []natsauth.Role{role},
			Lattice: "default"})
		if err != nil {
			t.Fatal(err)
		}
		return Login{JWT: creds.JWT, Seed: creds.Seed}
	}
	host, asked := issue(natsauth.Host), 0
	cfg := Config{URL: "nats://127.0.0.1:4222", Login: func() Login { asked++; return host }}
	const want = "the credentials of edge-1 were revoked, or are of another server; make a new token where the NATS " +
		"server runs (weft token create): when it replaces the file that --join names, this host takes it by itself; " +
		"without such a file start again with it"
	if got := cfg.refusal(time.Now()); got.Detail != want || asked == 0 {
		t.Errorf("got  %s\nwant %s", got.Detail, want)
	}
	cfg = Config{URL: cfg.URL, JWT: host.JWT, Seed: host.Seed} // a command, which ends with this
	if got := cfg.refusal(time.Now()); !strings.HasSuffix(got.Detail, "(weft token create), and give that (--join)") {
		t.Errorf("of a command: %s", got.Detail)
	}
}

// The same of credentials that another operator's tools made, as a real server refuses them.
func TestAnExpiredCredentialsFileOfAnotherOperatorIsNamedWithItsEnd(t *testing.T) {
	op, acc, user := nkey(t, 'O'), nkey(t, 'A'), nkey(t, 'U')
	account, err := jwt.NewAccountClaims(public(t, acc)).Encode(op)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public(t, user))
	end := time.Now().Add(-time.Hour).Truncate(time.Second)
	claims.Expires = end.Unix()
	token, err := claims.Encode(acc)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, t.TempDir(), "old.creds", text)
	accounts := &server.MemAccResolver{}
	if err := accounts.Store(public(t, acc), account); err != nil {
		t.Fatal(err)
	}
	url := external(t, &server.Options{TrustedOperators: []*jwt.OperatorClaims{jwt.NewOperatorClaims(public(t, op))},
		AccountResolver: accounts})
	nc, err := Connect(t.Context(), Config{URL: url, CredsFile: file})
	if err == nil {
		nc.Close()
		t.Fatal("expired credentials are taken")
	}
	want := "these credentials expired at " + end.UTC().Format(time.RFC3339) + "; they are in " + file
	if !errors.Is(err, lattice.ErrDenied) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestExpiryOfWhatIsNoJWT(t *testing.T) {
	for _, text := range []string{"", "a.b", "a.b.c", "a.bnVsbA.c", "a.eyJleHAiOi0xfQ.c", "a.eyJleHAiOiJ4In0.c"} {
		if end := expiry(text); !end.IsZero() {
			t.Errorf("%q: %v", text, end)
		}
	}
}
