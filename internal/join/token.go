// Package join packs all that a machine needs to join a lattice into one line of text.
package join

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

const (
	family  = "weft" // what every token of weft begins with
	prefix  = family + "1_"
	sumSize = 6
	// maxBytes bounds a token. Those with one server have some 2 KiB.
	maxBytes = 64 << 10
)

// Token is what a machine needs to join a lattice. It holds secrets.
type Token struct {
	Lattice     lattice.Name        `json:"lattice"`
	Control     string              `json:"ctl,omitempty"`     // prefix of the control subjects, when not the default
	Servers     []string            `json:"servers"`           // NATS URLs, tried in order
	CA          string              `json:"ca,omitempty"`      // PEM; empty: the authorities that the machine trusts
	ServerName  string              `json:"name,omitempty"`    // in the server's certificate; empty: the address
	JWT         string              `json:"jwt"`               // the NATS user
	Seed        string              `json:"seed"`              // its secret
	ClusterSeed string              `json:"cluster,omitempty"` // signs calls; for hosts
	Issuers     []lattice.ClusterID `json:"issuers,omitempty"` // clusters to trust besides
	Domain      string              `json:"domain,omitempty"`  // of JetStream
}

// String tells what the token is for, without secrets.
func (t Token) String() string { return "join.Token{" + string(t.Lattice) + "}" }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// Identity is the user that the token makes of its bearer.
func (t Token) Identity() (natsauth.Identity, error) { return natsauth.Read(t.JWT) }

// Validate joins everything that is wrong with the token, as lattice.ErrInvalid. An expired one is valid: clocks
// differ, and the server decides.
func (t Token) Validate() error {
	var errs []error
	bad := func(detail string) { errs = append(errs, problem(detail)) }
	if err := t.Lattice.Check(); err != nil {
		bad("it names no lattice")
	}
	if len(t.Servers) == 0 {
		bad("it names no server")
	}
	for _, s := range t.Servers {
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" || u.User != nil || !slices.Contains([]string{"nats", "tls", "ws", "wss"},
			u.Scheme) {
			bad(fmt.Sprintf("%q is no NATS address", lattice.Printable(s)))
		}
	}
	id, err := t.Identity()
	switch {
	case err != nil:
		bad("its NATS user is damaged")
	case id.Lattice != t.Lattice || id.Control != t.Control:
		bad("its NATS user is of another lattice")
	}
	if k, err := signing.FromSeed(t.Seed); err != nil || err == nil && k.Public() != id.ID {
		bad("its NATS seed is not that of its user")
	}
	if t.ClusterSeed != "" {
		if k, err := signing.FromSeed(t.ClusterSeed); err != nil || k.Kind() != signing.KindCluster {
			bad("its cluster seed is damaged")
		}
	}
	for _, i := range t.Issuers {
		if signing.CheckPublic(i, signing.KindCluster) != nil {
			bad("an issuer is no cluster key")
		}
	}
	return errors.Join(errs...)
}

// Encode writes the token as one line without blanks.
func (t Token) Encode() (string, error) {
	if err := t.Validate(); err != nil {
		return "", err
	}
	body, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	text := prefix + base64.RawURLEncoding.EncodeToString(append(checksum(body), body...))
	if len(text) > maxBytes {
		return "", problem("it becomes too long; name fewer servers")
	}
	return text, nil
}

func checksum(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:sumSize]
}

// Decode reads a token; blanks and line breaks that came in by copying do not matter. Errors are lattice.ErrInvalid,
// say what happened to the token, and quote nothing of it.
func Decode(text string) (Token, error) {
	text = strings.Join(strings.Fields(text), "")
	switch {
	case text == "":
		return Token{}, problem("it is empty")
	case len(text) > maxBytes:
		return Token{}, problem("it is too long to be one")
	case !strings.HasPrefix(text, prefix):
		version, _, ok := strings.Cut(strings.TrimPrefix(text, family), "_")
		if ok && strings.HasPrefix(text, family) && version != "" && len(version) < 4 &&
			strings.Trim(version, "0123456789") == "" {
			return Token{}, problem("it is of version " + version + ", made by a newer weft; this one reads version 1")
		}
		return Token{}, problem("a token begins with " + prefix + "; make one with: weft token create")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text[len(prefix):])
	if err != nil || len(raw) <= sumSize || !bytes.Equal(raw[:sumSize], checksum(raw[sumSize:])) {
		return Token{}, problem("it was cut off or altered on its way; copy the whole line")
	}
	var t Token
	d := json.NewDecoder(bytes.NewReader(raw[sumSize:]))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Token{}, problem("this weft does not understand all of it; use the one that made it")
	}
	if _, err := d.Token(); err != io.EOF {
		return Token{}, problem("there is more after its end")
	}
	return t, t.Validate()
}

// maxFileBytes bounds a file that holds a token.
const maxFileBytes = 2 * maxBytes

// maxNameBytes is how long a text may be that is taken for the name of a missing file, and quoted. No token is so
// short.
const maxNameBytes = 128

// Read reads a token that is given as itself or as the name of a file that holds it, with or without "@" before it.
// Errors are lattice.ErrInvalid; what may be a token, or a piece of one, is not quoted.
func Read(tokenOrFile string) (Token, error) {
	name := strings.TrimPrefix(tokenOrFile, "@")
	isFile := name != tokenOrFile || strings.ContainsAny(name, `/\.`)
	if !isFile && strings.HasPrefix(tokenOrFile, family) && strings.Contains(tokenOrFile, "_") {
		return Decode(tokenOrFile)
	}
	fail := func(detail string, err error) (Token, error) {
		return Token{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read join token from",
			Entity: lattice.Printable(name), Detail: detail, Err: err}
	}
	f, err := os.Open(name)
	switch {
	case err != nil && !isFile && len(name) > maxNameBytes || strings.TrimSpace(name) == "":
		return Decode(tokenOrFile) // it says why this is none
	case errors.Is(err, fs.ErrNotExist):
		return fail("there is no such file, and a token itself begins with "+prefix, nil)
	case err != nil:
		return fail("", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes))
	if err != nil {
		return fail("", err)
	}
	t, err := Decode(string(text))
	if err != nil {
		return Token{}, fmt.Errorf("file %s: %w", lattice.Printable(name), err)
	}
	return t, nil
}

// Connection is how the bearer reaches NATS.
func (t Token) Connection() natsconn.Config {
	return natsconn.Config{URL: strings.Join(t.Servers, ","), JWT: t.JWT, Seed: t.Seed, TLSRoots: t.CA,
		TLSName: t.ServerName, JSDomain: t.Domain}
}

// Expired reports whether the token is no longer good by this machine's clock.
func (t Token) Expired(now time.Time) bool {
	id, err := t.Identity()
	return err == nil && !id.Expires.IsZero() && !now.Before(id.Expires)
}

// Addresses are where other machines can reach a server on this one: the address that it listens on, or when that is
// all of them, each address of the machine but those of loopback and link.
func Addresses(listen, port string) []string {
	ip := net.ParseIP(listen)
	if ip == nil || !ip.IsUnspecified() {
		return []string{net.JoinHostPort(listen, port)}
	}
	var out []string
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.IsGlobalUnicast() {
			out = append(out, net.JoinHostPort(n.IP.String(), port))
		}
	}
	return out
}

func problem(detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read join token", Detail: detail}
}
