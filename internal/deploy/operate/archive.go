package operate

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// OpenArchive reads a provider archive from a file and verifies it.
func OpenArchive(file string) (*signing.Archive, error) {
	data, err := localfile.Read(file, localfile.MaxBytes)
	if err != nil {
		return nil, err
	}
	return openArchive(file, data)
}

func openArchive(file string, data []byte) (*signing.Archive, error) {
	archive, err := signing.OpenArchive(data, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return archive, nil
}

// WriteArchive writes an archive of executables, by target, compressed unless the file's name ends in .par, and returns
// it as it is read back. account and service sign the claims.
func WriteArchive(file string, c signing.ProviderClaims, account, service signing.KeyPair,
	bins map[string][]byte) (*signing.Archive, error) {
	var buf bytes.Buffer
	if err := signing.WriteArchive(&buf, c, account, service, bins, !strings.HasSuffix(file, ".par")); err != nil {
		return nil, err
	}
	archive, err := signing.OpenArchive(buf.Bytes(), time.Now())
	if err != nil {
		return nil, err
	}
	if err := localfile.Write(file, buf.Bytes(), 0o644); err != nil {
		return nil, localfile.Error("write", file, err)
	}
	return archive, nil
}

// Executables are those of an archive, by target.
func Executables(archive *signing.Archive) (bins map[string][]byte, err error) {
	bins = map[string][]byte{}
	for _, t := range archive.Targets() {
		if bins[t], err = archive.Binary(t); err != nil {
			return nil, err
		}
	}
	return bins, nil
}

// IsExecutable refuses what is no provider's executable, by its content.
func IsExecutable(file string, data []byte) error {
	if len(data) == 0 || signing.IsArchive(data) {
		return &lattice.Error{Code: lattice.ErrBadModule, Op: "read executable", Entity: file,
			Detail: signing.Form(data) + ", and a provider's executable is wanted"}
	}
	return NoModule(file, data)
}
