package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// secureNATS is a NATS server whose users have credentials that an account has signed.
type secureNATS struct {
	t        *testing.T
	config   string // of the server, beside where it listens
	operator string // credentials file of who runs the tests
	monitor  string // URL of the server's own pages
	account  nkeys.KeyPair
}

func newSecureNATS(t *testing.T) *secureNATS {
	t.Helper()
	must := func(k nkeys.KeyPair, err error) (nkeys.KeyPair, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		public, err := k.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return k, public
	}
	operator, operatorKey := must(nkeys.CreateOperator())
	account, accountKey := must(nkeys.CreateAccount())
	system, systemKey := must(nkeys.CreateAccount())
	_ = system
	oc := jwt.NewOperatorClaims(operatorKey)
	oc.SystemAccount = systemKey
	operatorJWT, err := oc.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	ac := jwt.NewAccountClaims(accountKey)
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	accountJWT, err := ac.Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	systemJWT, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	s := &secureNATS{t: t, account: account, monitor: "http://" + local(port)}
	s.config = fmt.Sprintf("operator: %s\nresolver: MEMORY\nsystem_account: %s\nresolver_preload: {%s: %s, %s: %s}\n"+
		"http: %q\n",
		operatorJWT, systemKey, accountKey, accountJWT, systemKey, systemJWT, local(port))
	s.operator = filepath.Join(t.TempDir(), "operator.creds")
	s.user(s.operator)
	return s
}

// user makes a user, writes its credentials to a file, and returns its public key.
func (s *secureNATS) user(path string) string {
	s.t.Helper()
	k, err := nkeys.CreateUser()
	if err != nil {
		s.t.Fatal(err)
	}
	public, err := k.PublicKey()
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := jwt.NewUserClaims(public).Encode(s.account)
	if err != nil {
		s.t.Fatal(err)
	}
	seed, err := k.Seed()
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return public
}

// connected returns the names of the connections that a user has.
func (s *secureNATS) connected(user string) []string {
	s.t.Helper()
	_, body := fetch(s.t, "GET", s.monitor+"/connz?auth=1", nil)
	var page struct {
		Connections []struct {
			Name string `json:"name"`
			User string `json:"authorized_user"`
		} `json:"connections"`
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		s.t.Fatal(err)
	}
	names := []string{}
	for _, c := range page.Connections {
		if c.User == user {
			names = append(names, c.Name)
		}
	}
	return names
}
