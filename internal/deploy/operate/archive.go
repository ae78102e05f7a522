package operate

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/internal/deploy/usage"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/artifact"
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

// Insert adds an executable to those of an archive, in place of one for the same target. It returns what the new
// archive is made of, whose claims are to be signed anew.
func Insert(archive *signing.Archive, target string, bin []byte) (signing.ProviderClaims, map[string][]byte, error) {
	c := *archive.Claims
	c.TokenID, c.IssuedAt = "", 0
	bins := map[string][]byte{}
	for _, t := range archive.Targets() {
		var err error
		if bins[t], err = archive.Binary(t); err != nil {
			return c, nil, err
		}
	}
	bins[target] = bin
	return c, bins, nil
}

// IsExecutable refuses what is no provider's executable, by its content.
func IsExecutable(file string, data []byte) error {
	if len(data) == 0 || signing.IsArchive(data) {
		return &lattice.Error{Code: lattice.ErrBadModule, Op: "read executable", Entity: file,
			Detail: signing.Form(data) + ", and a provider's executable is wanted"}
	}
	return noModule(file, data)
}

// ProviderPack is what a bare executable lacks to be a provider archive.
type ProviderPack struct {
	Name       string             // default: the file's name
	ContractID lattice.ContractID // required
	Version    string
	Vendor     string
	Account    string // name of the account key; default "default"
}

// others refuses what was said of a reference that means no executable: what it is has a name, a version and a contract
// of its own, of which the contract may be known.
func (p ProviderPack) others(ref, what string, contract lattice.ContractID) error {
	var flags []string
	if p.ContractID != "" && p.ContractID != contract {
		flags = append(flags, "--contract")
	}
	if p.Name != "" {
		flags = append(flags, "--name")
	}
	if p.Version != "" {
		flags = append(flags, "--ver")
	}
	if len(flags) == 0 {
		return nil
	}
	if contract != "" {
		what += " and provides " + string(contract)
	}
	return usage.Errorf("%s is %s; leave out %s, which only an executable needs", lattice.Printable(ref), what,
		strings.Join(flags, " and "))
}

// pack makes the same archive of the same executable, so that starting it twice is one provider.
func (s *Signer) pack(binary []byte, made time.Time, p ProviderPack) ([]byte, error) {
	if p.ContractID == "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "pack provider", Entity: p.Name,
			Detail: "an executable needs a contract, for example: --contract wasmcloud:keyvalue"}
	}
	account, _, err := s.Keys.LoadOrCreate(signing.KindAccount, orDefault(p.Account))
	if err != nil {
		return nil, err
	}
	service, _, err := s.Keys.LoadOrCreate(signing.KindProvider, KeyName(p.Name))
	if err != nil {
		return nil, err
	}
	digest := artifact.Digest(binary)
	claims := signing.ProviderClaims{Name: p.Name, ContractID: p.ContractID, Version: p.Version, Vendor: p.Vendor}
	claims.TokenID, claims.IssuedAt = strings.TrimPrefix(digest, "sha256:")[:22], made.Unix()
	var out bytes.Buffer
	err = signing.WriteArchive(&out, claims, account, service, map[string][]byte{signing.CurrentTarget(): binary}, true)
	return out.Bytes(), err
}
