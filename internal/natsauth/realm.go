package natsauth

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// authorityName is the name under which the key store keeps the account key that issues users.
const authorityName = "nats"

// Realm is all that makes a NATS server of a lattice's own: the authority that issues its users, the list of them, and
// the certificate authority. It is kept in a directory; several processes may use one.
type Realm struct {
	dir       string
	authority signing.KeyPair
	ca        *CA
}

// OpenRealm opens a realm, and makes what is missing. The authority's key is in the key store, the rest in dir.
func OpenRealm(dir string, keys *signing.Keystore) (*Realm, error) {
	authority, _, err := keys.LoadOrCreate(signing.KindAccount, authorityName)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "use directory", Entity: dir, Err: err}
	}
	ca, err := OpenCA(filepath.Join(dir, "ca"))
	if err != nil {
		return nil, err
	}
	return &Realm{dir, authority, ca}, nil
}

// CA is the realm's certificate authority.
func (r *Realm) CA() *CA { return r.ca }

// Users lists whom Issue has made.
func (r *Realm) Users() Users { return OpenUsersIn(r.dir) }

// Verifier admits the realm's users to a server.
func (r *Realm) Verifier(log *slog.Logger) *Verifier {
	return NewVerifier(r.authority.Public(), filepath.Join(r.dir, "users.json"), log)
}

// Issue makes a user, notes it in the list, and hands its credentials over. When hand fails the credentials must not
// stay valid: the user leaves the list.
func (r *Realm) Issue(want Identity, hand func(Credentials) error) (Identity, error) {
	c, id, err := Issue(r.authority, want)
	if err != nil {
		return id, err
	}
	if err := r.Users().Add(id); err != nil {
		return id, err
	}
	if err := hand(c); err != nil {
		return id, errors.Join(err, r.Users().remove(id.ID))
	}
	return id, nil
}

// Local makes a user for this machine, which is on no list: a person who can read the directory can make another.
func (r *Realm) Local(want Identity) (Credentials, error) {
	c, _, err := Issue(r.authority, want)
	return c, err
}

// SaveLocal writes the credentials of a local user into the directory, for other processes of the same person, and
// returns the file.
func (r *Realm) SaveLocal(name string, want Identity) (string, error) {
	c, err := r.Local(want)
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.dir, name+".creds")
	return path, c.WriteFile(path)
}

// WriteFile writes a credentials file that only its owner can read.
func (c Credentials) WriteFile(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".creds-*") // mode 0600
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "write credentials", Entity: path, Err: err}
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(c.File())
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "write credentials", Entity: path, Err: err}
	}
	return nil
}
