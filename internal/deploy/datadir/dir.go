// Package datadir is the folder in which a machine keeps what is its own: keys, what "weft up" runs, the users of its NATS
// server, and what hosts can make or fetch again.
package datadir

import (
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Dir is the path of a data directory. It is made when something is to be kept in it. Several processes may use one.
type Dir string

func (d Dir) join(name string) string { return filepath.Join(string(d), name) }

// Cache is the folder of what hosts can make or fetch again.
func (d Dir) Cache() string { return d.join("cache") }

// Signed is the folder of modules that were signed here.
func (d Dir) Signed() string { return d.join("signed") }

// Files is the folder whose files link values may name.
func (d Dir) Files() string { return d.join("files") }

// NATS is the folder in which the embedded NATS server stores.
func (d Dir) NATS() string { return d.join("nats") }

// Log is the file that "weft up" writes to in the background.
func (d Dir) Log() string { return d.join("up.log") }

func (d Dir) access() string { return d.join("access") }

// Keys opens the key store, and makes it when there is none.
func (d Dir) Keys() (*signing.Keystore, error) { return signing.OpenKeystore(d.join("keys")) }

// Realm opens the authority of this machine's NATS server, and makes what is missing.
func (d Dir) Realm(keys *signing.Keystore) (*natsauth.Realm, error) {
	return natsauth.OpenRealm(d.access(), keys)
}

// Users is the list of those that the authority has let in.
func (d Dir) Users() natsauth.Users { return natsauth.OpenUsersIn(d.access()) }

// Make makes the directory when it is missing, for its owner alone.
func (d Dir) Make() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return d.unusable(err)
	}
	return nil
}

// LockHost takes the lock of the host of a name until release. ok is false when another process has it.
func (d Dir) LockHost(name string) (release func(), ok bool, err error) {
	return d.lock("host-" + name + ".lock")
}

func (d Dir) lock(name string) (release func(), ok bool, err error) {
	if err := d.Make(); err != nil {
		return nil, false, err
	}
	l, err := files.TryLock(d.join(name))
	switch {
	case err == nil:
		return func() { _ = l.Release() }, true, nil
	case lattice.CodeOf(err) == lattice.ErrConflict:
		return nil, false, nil
	}
	return nil, false, d.unusable(err)
}

// unusable is the error of a directory that cannot be used.
func (d Dir) unusable(err error) error {
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: string(d), Err: err}
}
