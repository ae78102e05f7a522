package keys

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
)

// Passphrase says where the passphrase of encrypted keys comes from. The first that is set counts: FD, File, Ask. It is
// needed once, since a host reads its keys again without a person beside it. It is safe for concurrent use.
type Passphrase struct {
	File string
	FD   int                                          // of a file that is open; negative: none
	Ask  func(why string, fresh bool) ([]byte, error) // a person; fresh: it is new, and asked for twice

	mu    sync.Mutex
	known []byte // guarded by mu
}

// maxPassphraseFile bounds what is read as a passphrase.
const maxPassphraseFile = 1 << 10

// Get returns the passphrase. why names the key for a person.
func (p *Passphrase) Get(why string, fresh bool) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil {
		return p.known, nil
	}
	secret, err := p.find(why, fresh)
	if err != nil {
		return nil, err
	}
	p.known = secret
	return secret, nil
}

func (p *Passphrase) find(why string, fresh bool) ([]byte, error) {
	switch {
	case p.FD >= 0:
		f := os.NewFile(uintptr(p.FD), "key-passphrase-fd")
		if f == nil {
			return nil, usage.Errorf("--key-passphrase-fd %d: no such file descriptor", p.FD)
		}
		defer f.Close()
		return readPassphrase(f, fmt.Sprintf("--key-passphrase-fd %d", p.FD))
	case p.File != "":
		f, err := os.Open(p.File)
		if err != nil {
			return nil, localfile.Error("read passphrase from", p.File, err)
		}
		defer f.Close()
		return readPassphrase(f, p.File)
	}
	return p.Ask(why, fresh)
}

// readPassphrase reads one line.
func readPassphrase(r io.Reader, from string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPassphraseFile+1))
	if err != nil {
		return nil, localfile.Error("read passphrase from", from, err)
	}
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read passphrase from", Entity: from,
			Detail: "it is empty"}
	case len(line) > maxPassphraseFile || len(bytes.TrimSpace(rest)) > 0:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "read passphrase from", Entity: from,
			Detail: fmt.Sprintf("want one line of at most %d bytes", maxPassphraseFile)}
	}
	return line, nil
}
