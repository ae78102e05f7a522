package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/term"

	"github.com/weftlattice/weft/lattice"
)

// passphraseFlags say where the passphrase of encrypted keys comes from. It is never on the command line itself.
type passphraseFlags struct {
	file string
	fd   int

	mu    sync.Mutex
	known []byte // once asked for; a host reads its keys again without a person beside it; guarded by mu
}

// maxPassphraseFile bounds what is read as a passphrase.
const maxPassphraseFile = 1 << 10

// passphrase is asked for when a key file is encrypted: from --key-passphrase-fd, --key-passphrase-file, or the terminal.
func (a *app) passphrase(why string, fresh bool) ([]byte, error) {
	p := &a.pass
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	var secret []byte
	var err error
	switch {
	case p.fd >= 0:
		f := os.NewFile(uintptr(p.fd), "key-passphrase-fd")
		if f == nil {
			return nil, usagef("--key-passphrase-fd %d: no such file descriptor", p.fd)
		}
		secret, err = readPassphrase(f, fmt.Sprintf("--key-passphrase-fd %d", p.fd))
		_ = f.Close()
	case p.file != "":
		f, openErr := os.Open(p.file)
		if openErr != nil {
			return nil, fileError("read passphrase from", p.file, openErr)
		}
		secret, err = readPassphrase(f, p.file)
		_ = f.Close()
	default:
		secret, err = a.promptPassphrase(why, fresh)
	}
	if err != nil {
		return nil, err
	}
	p.known = secret
	return secret, nil
}

// readPassphrase reads one line.
func readPassphrase(r io.Reader, from string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPassphraseFile+1))
	if err != nil {
		return nil, fileError("read passphrase from", from, err)
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read passphrase from", Entity: from, Detail: "it is empty"}
	case len(line) > maxPassphraseFile || len(bytes.TrimSpace(rest)) > 0:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read passphrase from", Entity: from,
			Detail: fmt.Sprintf("want one line of at most %d bytes", maxPassphraseFile)}
	}
	return line, nil
}

// promptPassphrase asks a person, without echo; twice when the passphrase is new.
func (a *app) promptPassphrase(why string, fresh bool) ([]byte, error) {
	tty, err := openTTY()
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrDenied, Op: "open", Entity: why,
			Detail: "it is encrypted and there is no terminal to ask at; give --key-passphrase-file FILE, or WEFT_KEY_PASSPHRASE_FILE"}
	}
	defer tty.Close()
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprint(a.err, prompt)
		secret, err := term.ReadPassword(int(tty.Fd()))
		fmt.Fprintln(a.err)
		if err == nil && len(secret) == 0 {
			err = usagef("the passphrase is empty")
		}
		return secret, err
	}
	if !fresh {
		return ask("Passphrase for " + why + ": ")
	}
	secret, err := ask("New passphrase for " + why + ": ")
	if err != nil {
		return nil, err
	}
	again, err := ask("The same again: ")
	if err == nil && !bytes.Equal(secret, again) {
		err = usagef("the two passphrases differ")
	}
	return secret, err
}

// openTTY opens the terminal of a person who sees what this command says.
func openTTY() (*os.File, error) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil, errors.New("nobody is watching")
	}
	return os.OpenFile(terminalDevice, os.O_RDONLY, 0)
}
