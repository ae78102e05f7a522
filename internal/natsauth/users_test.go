package natsauth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func TestRevoke(t *testing.T) {
	authority := key(t, 'A')
	file := filepath.Join(t.TempDir(), "users.json")
	users, v := OpenUsers(file), NewVerifier(authority.Public(), file, nil)
	add := func(name string) Identity {
		_, id := mustIssue(t, authority, Identity{Name: name, Roles: []Role{Host}, Lattice: "l"})
		if err := users.Add(id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	a, b := add("a"), add("b")
	if _, err := users.Revoke("nobody"); !errors.Is(err, lattice.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	if err := v.Valid(a); err != nil {
		t.Fatal(err)
	}
	if gone, err := users.Revoke(a.ID); err != nil || gone.ID != a.ID || gone.Revoked.IsZero() {
		t.Fatalf("got %+v, %v", gone, err)
	}
	if err := v.Valid(a); !errors.Is(err, lattice.ErrDenied) {
		t.Fatalf("revoked: %v", err)
	}
	if err := v.Valid(Identity{ID: "U", Via: a.ID}); !errors.Is(err, lattice.ErrDenied) {
		t.Fatalf("provider of a revoked host: %v", err)
	}
	if err := v.Valid(b); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Revoke(b.ID[:10]); !errors.Is(err, lattice.ErrNotFound) {
		t.Fatalf("the beginning of an id: got %v", err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Valid(a); !errors.Is(err, lattice.ErrDenied) {
		t.Fatalf("a broken list lets revoked users in: %v", err)
	}
}

func TestCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	first, err := OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := OpenCA(dir)
	if err != nil || ca.PEM() != first.PEM() {
		t.Fatalf("not the same authority: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "ca-key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key: %v, %v", info.Mode(), err)
	}
	cert, err := ca.ServerTLS("nats.example.org", "192.0.2.7").GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ca.PEM()))
	for _, name := range []string{ServerName, "localhost", "127.0.0.1", "nats.example.org", "192.0.2.7"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: "example.org", Roots: roots}); err == nil {
		t.Error("the certificate is good for a foreign name")
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(dir); !errors.Is(err, lattice.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
}
