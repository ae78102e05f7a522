// Package datadir is the folder in which a machine keeps what is its own: keys, what "weft up" runs, the users of its
// NATS server, and what hosts can make or fetch again.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

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

// OpenLog opens the log of "weft up" to write at its end.
func (d Dir) OpenLog() (*os.File, error) {
	f, err := os.OpenFile(d.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, d.unusable(err)
	}
	return f, nil
}

// unusable is the error of a directory that cannot be used.
func (d Dir) unusable(err error) error {
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "use data directory", Entity: string(d), Err: err}
}

// Explain makes of an error that has its cause in a data directory that may not be written to one that says which
// folder that is and what to do, lattice.ErrInvalid. Other errors stay as they are.
func (d Dir) Explain(err error) error {
	var p *fs.PathError
	if !errors.As(err, &p) || !d.holds(p.Path) {
		return err
	}
	why := ""
	switch {
	case errors.Is(p.Err, syscall.EROFS):
		why = "its file system is read-only"
	case errors.Is(p.Err, fs.ErrPermission):
		why = fmt.Sprintf("this user, whose id is %d, may not write there", os.Getuid())
		if info, statErr := os.Stat(filepath.Dir(p.Path)); statErr == nil {
			why += fmt.Sprintf("; %s has the mode %s", filepath.Dir(p.Path), info.Mode())
		}
	default:
		return err
	}
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "use data directory", Entity: string(d),
		Detail: fmt.Sprintf("%v: %s. Change that, or name a folder of your own with --data-dir or WEFT_DATA_DIR", p,
			why)}
}

// holds reports whether a path is the directory, something in it, or a folder that had to be made for it.
func (d Dir) holds(path string) bool {
	dir, err := filepath.Abs(string(d))
	if err != nil {
		return false
	}
	if path, err = filepath.Abs(path); err != nil {
		return false
	}
	below := func(a, b string) bool { return a == b || strings.HasPrefix(a, strings.TrimSuffix(b, "/")+"/") }
	return below(path, dir) || below(dir, path)
}
