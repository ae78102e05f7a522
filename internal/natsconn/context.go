package natsconn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// natsContext is a file of the nats command-line tool: a server and who one is there.
type natsContext struct {
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token"`
	Creds       string `json:"creds"`
	NKey        string `json:"nkey"` // a file with the seed
	UserJWT     string `json:"user_jwt"`
	UserSeed    string `json:"user_seed"`
	Cert        string `json:"cert"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
	TLSFirst    bool   `json:"tls_first"`
	InboxPrefix string `json:"inbox_prefix"`
	Domain      string `json:"jetstream_domain"`
	APIPrefix   string `json:"jetstream_api_prefix"`
	NSC         string `json:"nsc"`
	SOCKS       string `json:"socks_proxy"`
}

// maxContextBytes bounds a context file, and a seed's.
const maxContextBytes = 64 << 10

// LoadContext reads a context of the nats command-line tool: a name, whose file is in contextDir, or the path of a
// file. Settings that do not matter to a connection are ignored. Errors: lattice.ErrNotFound, which names the contexts
// that there are, and lattice.ErrInvalid, also for what weft cannot do: nsc and SOCKS.
func LoadContext(name string) (cfg Config, err error) {
	path := name
	if !strings.ContainsAny(name, `/\`) {
		path = filepath.Join(contextDir(), name+".json")
	}
	data, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, &lattice.Error{Code: lattice.ErrNotFound, Op: "read NATS context", Entity: lattice.Printable(name),
			Detail: thereAre()}
	}
	bad := func(detail string, err error) (Config, error) {
		return Config{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read NATS context", Entity: path,
			Detail: detail, Err: err}
	}
	if err != nil {
		return bad("", err)
	}
	var c natsContext
	d := json.NewDecoder(bytes.NewReader(data))
	if d.Decode(&c) != nil { // its error might quote a secret
		return bad("it is no JSON object as the nats tool writes it", nil)
	}
	switch {
	case c.NSC != "":
		return bad("it takes its credentials from nsc; write them to a file with \"nsc generate creds\" and name "+
			"that as creds", nil)
	case c.SOCKS != "":
		return bad("it goes through a SOCKS proxy, which weft does not", nil)
	case c.APIPrefix != "" && c.APIPrefix != "$JS.API":
		return bad("it has a JetStream API prefix of its own; weft knows domains only (jetstream_domain)", nil)
	}
	cfg = Config{URL: c.URL, User: c.User, Password: c.Password, Token: c.Token, JWT: c.UserJWT, Seed: c.UserSeed,
		TLSFirst: c.TLSFirst, JSDomain: c.Domain,
		InboxPrefix: strings.TrimSuffix(c.InboxPrefix, ".")}
	for _, f := range []struct {
		to   *string
		from string
	}{{&cfg.CredsFile, c.Creds}, {&cfg.TLSCert, c.Cert}, {&cfg.TLSKey, c.Key}, {&cfg.TLSCA, c.CA}, {&c.NKey, c.NKey}} {
		if *f.to, err = expandHome(f.from); err != nil {
			return bad("", err)
		}
	}
	if c.NKey != "" {
		seed, err := readSmall(c.NKey)
		if err != nil {
			return bad("its nkey is no file that can be read", err)
		}
		cfg.Seed = strings.TrimSpace(string(seed))
	}
	if err := cfg.Validate(); err != nil {
		return bad("", err)
	}
	return cfg, nil
}

// contextDir is where the nats tool keeps its contexts: nats/context below XDG_CONFIG_HOME, or below ~/.config.
func contextDir() string {
	base := os.Getenv("XDG_CONFIG_HOME")
	if base == "" {
		home, _ := os.UserHomeDir() // without one nothing is found there
		base = filepath.Join(home, ".config")
	}
	return filepath.Join(base, "nats", "context")
}

// thereAre tells which contexts one could have meant.
func thereAre() string {
	files, _ := filepath.Glob(filepath.Join(contextDir(), "*.json")) // the pattern is well formed
	if len(files) == 0 {
		return "there is none in " + contextDir()
	}
	var names []string
	for _, f := range files[:min(len(files), 10)] {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return fmt.Sprintf("in %s there are: %s", contextDir(), strings.Join(names, ", "))
}

// expandHome does what the shell does not do in a file: contexts of NATS's own tool may say "~/".
func expandHome(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, rest), err
}

// readSmall reads a file of maxContextBytes at most, so that a path to something else does no harm.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxContextBytes+1))
	if err == nil && len(data) > maxContextBytes {
		err = errors.New("the file is too large")
	}
	return data, err
}
