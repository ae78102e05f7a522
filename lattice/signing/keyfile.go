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

const keyFileExt = ".nk"

// MaxKeyFileBytes bounds a key file, sealed or not.
const MaxKeyFileBytes = maxSealedBytes

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

// read returns the text of a key file, which may be sealed.
func (s *Keystore) read(kind byte, name string) (text, path string, err error) {
	if path, err = s.path(kind, name); err != nil {
		return "", "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", path, keystoreError("read key", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", path, keystoreError("read key", err)
	}
	if !info.Mode().IsRegular() {
		return "", path, keyFileError(path, "it is no plain file")
	}
	if err := checkPrivate(path, info, "600"); err != nil {
		return "", path, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxKeyFileBytes+1))
	if err != nil {
		return "", path, keystoreError("read key", err)
	}
	if len(b) > MaxKeyFileBytes {
		return "", path, keyFileError(path, fmt.Sprintf("it has more than %d bytes", MaxKeyFileBytes))
	}
	return string(b), path, nil
}

// overwrite replaces a file in one step.
func overwrite(path, text string) error {
	tmp, err := temporary(filepath.Dir(path), text)
	if err != nil {
		return keystoreError("write key", err)
	}
	defer os.Remove(tmp) // gone already when all went well
	return keystoreError("write key", os.Rename(tmp, path))
}

// temporary writes a file of mode 0600 beside the keys.
func temporary(dir, text string) (string, error) {
	tmp, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = tmp.WriteString(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		_ = os.Remove(tmp.Name())
		return "", err
	}
	return tmp.Name(), nil
}

// write stores a key's text under a name that must be free, else the error is fs.ErrExist. The file appears whole or
// not at all.
func (s *Keystore) write(k KeyPair, name, text string) error {
	path, err := s.path(k.Kind(), name)
	if err != nil {
		return err
	}
	tmp, err := temporary(s.dir, text)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(tmp, path); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links: the first to create the name writes, though no longer at once.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
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
