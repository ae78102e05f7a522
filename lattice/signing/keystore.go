package signing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

const (
	keyFileExt      = ".nk"
	maxKeyFileBytes = 1024
)

// Keystore is a directory of seeds, one key a file: "account_default.nk" holds the account key named default. The
// directory has mode 0700, its files 0600; whatever group or others may read is refused. Several processes may use one
// directory at the same time. It is safe for concurrent use.
type Keystore struct{ dir string }

// KeyInfo describes a stored key without its secret.
type KeyInfo struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // see KindName
	Public string `json:"public"`
}

// OpenKeystore opens the directory and makes it if it is missing. A directory open to others is ErrInvalid, with the
// command that closes it.
func OpenKeystore(dir string) (*Keystore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, keystoreError("open key store", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, keystoreError("open key store", err)
	}
	if err := checkPrivate(dir, info, "700"); err != nil {
		return nil, err
	}
	return &Keystore{dir}, nil
}

// Dir returns the directory.
func (s *Keystore) Dir() string { return s.dir }

// LoadOrCreate returns the key of that kind and name, and makes it first if there is none; created says so. Of several
// processes that race, all get the same key. A bad name or kind and a file open to others are ErrInvalid.
func (s *Keystore) LoadOrCreate(kind byte, name string) (k KeyPair, created bool, err error) {
	k, err = s.Load(kind, name)
	if lattice.CodeOf(err) != lattice.ErrNotFound {
		return k, false, err
	}
	fresh, err := New(kind)
	if err != nil {
		return KeyPair{}, false, err
	}
	switch err := s.write(fresh, name); {
	case err == nil:
		return fresh, true, nil
	case !errors.Is(err, fs.ErrExist):
		return KeyPair{}, false, keystoreError("write key", err)
	}
	k, err = s.Load(kind, name) // somebody else was faster
	return k, false, err
}

// Load returns the key of that kind and name. A missing one is ErrNotFound; a file that is open to others, or holds
// something else, is ErrInvalid.
func (s *Keystore) Load(kind byte, name string) (KeyPair, error) {
	path, err := s.path(kind, name)
	if err != nil {
		return KeyPair{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return KeyPair{}, keystoreError("read key", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return KeyPair{}, keystoreError("read key", err)
	}
	if !info.Mode().IsRegular() {
		return KeyPair{}, keyFileError(path, "it is no plain file")
	}
	if err := checkPrivate(path, info, "600"); err != nil {
		return KeyPair{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes))
	if err != nil {
		return KeyPair{}, keystoreError("read key", err)
	}
	k, err := FromSeed(strings.TrimSpace(string(text)))
	if err != nil {
		return KeyPair{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read key", Entity: path, Err: err}
	}
	if k.Kind() != kind {
		return KeyPair{}, keyFileError(path, "it holds a key of kind "+KindName(k.Kind()))
	}
	return k, nil
}

// Import stores a key under a name. Storing the same key again changes nothing; another key under that name is
// ErrConflict.
func (s *Keystore) Import(name string, k KeyPair) error {
	path, err := s.path(k.Kind(), name)
	if err != nil {
		return err
	}
	if err := s.write(k, name); err == nil || !errors.Is(err, fs.ErrExist) {
		return keystoreError("write key", err)
	}
	have, err := s.Load(k.Kind(), name)
	if err != nil {
		return err
	}
	if have.Public() != k.Public() {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "import key", Entity: path, Detail: "it holds " + have.Public()}
	}
	return nil
}

// List returns the stored keys, sorted by file name, never their seeds. Keys that can not be read are left out and named
// in the error, beside those that can.
func (s *Keystore) List() ([]KeyInfo, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, keystoreError("list keys", err)
	}
	var list []KeyInfo
	var bad []error
	for _, e := range entries {
		word, name, ok := strings.Cut(strings.TrimSuffix(e.Name(), keyFileExt), "_")
		kind, kindErr := ParseKind(word)
		if !ok || kindErr != nil || KindName(kind) != word || !strings.HasSuffix(e.Name(), keyFileExt) {
			continue
		}
		k, err := s.Load(kind, name)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		list = append(list, KeyInfo{name, word, k.Public()})
	}
	return list, errors.Join(bad...)
}

func (s *Keystore) path(kind byte, name string) (string, error) {
	word := KindName(kind)
	if word == "" {
		return "", keyError("find key", fmt.Sprintf("%q is no kind of key", rune(kind)))
	}
	ok := name != "" && len(name) <= 64
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c == '-' || c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	if !ok {
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "find key", Entity: lattice.Printable(name),
			Detail: "a key's name is 1 to 64 letters, digits, '-', '_' or '.'"}
	}
	return filepath.Join(s.dir, word+"_"+name+keyFileExt), nil
}

// write stores a key under a name that must be free, else the error is fs.ErrExist. The file appears whole or not at all.
func (s *Keystore) write(k KeyPair, name string) error {
	path, err := s.path(k.Kind(), name)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(k.Seed() + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(tmp.Name(), path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links: the first to create the name writes, though no longer at once.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(k.Seed() + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// checkPrivate refuses what group or others may read or change. Windows has no such bits.
func checkPrivate(path string, info fs.FileInfo, mode string) error {
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read key", Entity: path,
		Detail: fmt.Sprintf("its mode is %04o, others may use your keys; run: chmod %s '%s'", info.Mode().Perm(), mode,
			strings.ReplaceAll(path, "'", `'\''`))}
}

func keyFileError(path, detail string) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "read key", Entity: path, Detail: detail}
}

// keystoreError gives an error of the file system its code; others and nil stay.
func keystoreError(op string, err error) error {
	var e *lattice.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return &lattice.Error{Code: lattice.ErrNotFound, Op: op, Err: err}
	}
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: op, Err: err}
}
