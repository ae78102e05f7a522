package signing

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Keystore is a directory of seeds, one key a file: "account_default.nk" holds the account key named default. The
// directory has mode 0700, its files 0600; whatever group or others may read is refused. Files may be sealed with a
// passphrase, see SetPassphrase. Several processes may use one directory at the same time. It is safe for concurrent
// use.
type Keystore struct {
	dir string
	ask Passphrase
}

// KeyInfo describes a stored key without its secret.
type KeyInfo struct {
	Name      string `json:"name"`
	Kind      string `json:"kind"` // see KindName
	Public    string `json:"public"`
	Encrypted bool   `json:"encrypted,omitempty"` // a passphrase is needed to use it; Public is what the file says
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
	return &Keystore{dir: dir}, nil
}

// SetPassphrase says how to ask for the passphrase of sealed files; without it they can be listed, but not loaded. Call
// it before the store is used.
func (s *Keystore) SetPassphrase(ask Passphrase) { s.ask = ask }

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
	switch err := s.write(fresh, name, fresh.Seed()+"\n"); {
	case err == nil:
		return fresh, true, nil
	case !errors.Is(err, fs.ErrExist):
		return KeyPair{}, false, keystoreError("write key", err)
	}
	k, err = s.Load(kind, name) // somebody else was faster
	return k, false, err
}

// Load returns the key of that kind and name, the first one where the file holds several. A missing one is ErrNotFound;
// a file that is open to others, or holds something else, is ErrInvalid; one sealed with another passphrase is
// ErrDenied.
func (s *Keystore) Load(kind byte, name string) (KeyPair, error) {
	r, err := s.LoadRing(kind, name)
	return r.Signer(), err
}

// LoadRing is Load for all that the file holds.
func (s *Keystore) LoadRing(kind byte, name string) (Ring, error) {
	text, path, err := s.read(kind, name)
	if err != nil {
		return Ring{}, err
	}
	r, err := OpenRing(text, path, s.ask)
	if err != nil {
		return Ring{}, &lattice.Error{Code: lattice.CodeOf(err), Op: "read key", Entity: path, Err: err}
	}
	if have := r.Signer().Kind(); have != kind {
		return Ring{}, keyFileError(path, "it holds a key of kind "+KindName(have))
	}
	return r, nil
}

// Import stores a key under a name. Storing the same key again changes nothing; another key under that name is
// ErrConflict.
func (s *Keystore) Import(name string, k KeyPair) error { return s.put(name, k, false) }

// ImportSealed is Import with a passphrase, which is asked for as a new one.
func (s *Keystore) ImportSealed(name string, k KeyPair) error { return s.put(name, k, true) }

func (s *Keystore) put(name string, k KeyPair, encrypt bool) error {
	path, err := s.path(k.Kind(), name)
	if err != nil {
		return err
	}
	text := k.Seed() + "\n"
	if encrypt {
		if text, err = s.seal(path, RingOf(k)); err != nil {
			return err
		}
	}
	if err := s.write(k, name, text); err == nil || !errors.Is(err, fs.ErrExist) {
		return keystoreError("write key", err)
	}
	have, err := s.Load(k.Kind(), name)
	if err != nil {
		return err
	}
	if have.Public() != k.Public() {
		return &lattice.Error{Code: lattice.ErrConflict, Op: "import key", Entity: path,
			Detail: "it holds " + have.Public()}
	}
	return nil
}

// List returns the stored keys, sorted by file name, never their seeds. Keys that cannot be read are left out and named
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
		info, err := s.describe(kind, name)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		list = append(list, info)
	}
	return list, errors.Join(bad...)
}

// describe tells about a key without its passphrase.
func (s *Keystore) describe(kind byte, name string) (KeyInfo, error) {
	text, path, err := s.read(kind, name)
	if err != nil {
		return KeyInfo{}, err
	}
	info := KeyInfo{Name: name, Kind: KindName(kind), Encrypted: isSealed(text)}
	if info.Encrypted {
		sealed, err := parseSealed(text)
		if err == nil {
			err = CheckPublic(sealed.public, kind)
		}
		if err != nil {
			return KeyInfo{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "read key", Entity: path, Err: err}
		}
		info.Public = sealed.public
		return info, nil
	}
	k, err := s.Load(kind, name)
	info.Public = k.Public()
	return info, err
}

// Replace puts a ring in the place of what the file of that name holds, in one step: readers see the old one or the new
// one. A sealed file stays sealed with its passphrase. A missing file is ErrNotFound.
func (s *Keystore) Replace(name string, r Ring) error {
	text, path, err := s.read(r.Signer().Kind(), name)
	if err != nil {
		return err
	}
	return replace(path, text, r, s.ask)
}

// ReplaceKeyFile is Keystore.Replace for a file elsewhere.
func ReplaceKeyFile(path string, r Ring, ask Passphrase) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return keystoreError("read key", err)
	}
	return replace(path, string(text), r, ask)
}

// replace overwrites a key file that holds a text now.
func replace(path, text string, r Ring, ask Passphrase) error {
	if !isSealed(text) {
		return overwrite(path, r.Text())
	}
	if _, err := OpenRing(text, path,
		ask); err != nil { // a passphrase with which the old one cannot be opened would be a surprise
		return err
	}
	passphrase, err := ask(path, false)
	if err != nil {
		return err
	}
	if text, err = r.Seal(passphrase); err != nil {
		return err
	}
	return overwrite(path, text)
}

// Encrypt seals the file of a key; Decrypt undoes it. What is so already stays as it is. Copies of the file that others
// made, and what the disk kept, are not touched.
func (s *Keystore) Encrypt(kind byte, name string) error {
	text, path, err := s.read(kind, name)
	if err != nil || isSealed(text) {
		return err
	}
	r, err := s.LoadRing(kind, name)
	if err != nil {
		return err
	}
	if text, err = s.seal(path, r); err != nil {
		return err
	}
	return overwrite(path, text)
}

// Decrypt stores a sealed key in the clear.
func (s *Keystore) Decrypt(kind byte, name string) error {
	text, path, err := s.read(kind, name)
	if err != nil || !isSealed(text) {
		return err
	}
	r, err := s.LoadRing(kind, name)
	if err != nil {
		return err
	}
	return overwrite(path, r.Text())
}

// seal asks for a new passphrase.
func (s *Keystore) seal(path string, r Ring) (string, error) {
	if s.ask == nil {
		return "", keyFileError(path, "to seal it needs a passphrase")
	}
	passphrase, err := s.ask(path, true)
	if err != nil {
		return "", err
	}
	return r.Seal(passphrase)
}
