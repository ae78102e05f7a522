package signing

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// defaultArchiveBytes is how large a provider archive may be once decompressed: 512 MiB.
const defaultArchiveBytes int64 = 512 << 20

const (
	claimsStem        = "claims"
	maxArchiveEntries = 64
)

// Archive is a provider archive whose claims and binaries were all verified. Nothing in it is ever written to a path
// that the archive names. It is safe for concurrent use.
type Archive struct {
	// Claims are the verified claims.
	Claims *ProviderClaims

	data     []byte
	maxBytes int64
	targets  map[string]int64 // size of each verified binary
}

// IsArchive reports whether data begins as a provider archive does: as a tar file, or compressed with gzip.
func IsArchive(data []byte) bool {
	return isGzip(data) || len(data) >= 262 && string(data[257:262]) == "ustar"
}

func isGzip(data []byte) bool { return len(data) >= 2 && data[0] == 0x1f && data[1] == 0x8b }

// WriteArchive signs claims over the binaries, given by target ("x86_64-linux"), and writes them as a provider archive,
// compressed with gzip if asked. Subject, Issuer and TargetHashes are computed, TokenID and IssuedAt filled in when
// empty. The same input with TokenID and IssuedAt set gives the same bytes. Keys of the wrong kind, no binary, a target
// of another form, no contract and a schema that is not JSON are ErrInvalid.
func WriteArchive(w io.Writer, c ProviderClaims, account, service KeyPair, binaries map[string][]byte,
	compress bool) error {
	const op = "write provider archive"
	invalid := func(detail string) error { return &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: detail} }
	if err := checkSigners(op, c.Validity, account, service, KindProvider); err != nil {
		return err
	}
	if err := checkNames([]string{c.Name, string(c.ContractID), c.Vendor, c.Version}); err != nil {
		return during(err, op, "")
	}
	switch {
	case len(binaries) == 0:
		return invalid("it needs at least one binary")
	case len(binaries) >= maxArchiveEntries:
		return invalid("it has too many binaries")
	case c.ContractID == "":
		return invalid("the contract id is missing")
	case len(c.ConfigSchema) > 0 && !json.Valid(c.ConfigSchema):
		return invalid("the configuration schema is not JSON")
	}
	c.Subject, c.Issuer = service.ProviderID(), account.AccountID()
	c.TargetHashes = make(map[string]string, len(binaries))
	for target, bin := range binaries {
		if !isTarget(target) {
			return invalid("target " + lattice.Printable(target) + `: want architecture-system, as "x86_64-linux"`)
		}
		sum := sha256.Sum256(bin)
		c.TargetHashes[target] = strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	c.fill()
	text := signToken(account, appendProviderClaims(&c))
	if len(text) > maxTokenBytes {
		return &lattice.Error{Code: lattice.ErrTooLarge, Op: op, Detail: "the claims exceed 1 MiB"}
	}
	if err := writeTar(w, text, binaries, compress); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// writeTar writes an archive. The claims come first and the rest is sorted, with no times: the same contents are the
// same bytes.
func writeTar(w io.Writer, claims string, binaries map[string][]byte, compress bool) error {
	finish := func() error { return nil }
	if compress {
		z := gzip.NewWriter(w)
		w, finish = z, z.Close
	}
	t := tar.NewWriter(w)
	add := func(name string, mode int64, data []byte) error {
		h := &tar.Header{Name: name, Mode: mode, Size: int64(len(data)), Typeflag: tar.TypeReg, Format: tar.FormatGNU}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(data)
		return err
	}
	if err := add("claims.jwt", 0o644, []byte(claims)); err != nil {
		return err
	}
	for _, target := range slices.Sorted(maps.Keys(binaries)) {
		if err := add(target+".bin", 0o755, binaries[target]); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return finish()
}

// OpenArchive verifies a provider archive, compressed or not, of up to 512 MiB once decompressed: the token as
// ReadModule does, and the hash of every binary in it. It keeps data, which must not change, and decompresses again in
// Binary. The refusals: ErrUnsigned without claims; ErrTokenMalformed, ErrTokenExpired, ErrTokenNotYetValid and
// ErrTokenSignature for the token; ErrHashMismatch for a binary that is not the signed one or not in the claims;
// ErrTooLarge; ErrInvalid for the rest.
func OpenArchive(data []byte, now time.Time) (*Archive, error) {
	return openArchiveLimit(data, now, defaultArchiveBytes)
}

// openArchiveLimit is OpenArchive with another limit, in decompressed bytes.
func openArchiveLimit(data []byte, now time.Time, maxBytes int64) (*Archive, error) {
	const op = "open provider archive"
	a := &Archive{data: data, maxBytes: maxBytes, targets: map[string]int64{}}
	var text string
	hashes := map[string]string{}
	err := a.walk(func(stem string, size int64, r io.Reader) error {
		if stem == claimsStem {
			if size > maxTokenBytes {
				return malformed("token is too long")
			}
			b, err := io.ReadAll(r)
			text = string(b)
			return err
		}
		h := sha256.New()
		if _, err := io.Copy(h, r); err != nil {
			return err
		}
		hashes[stem] = strings.ToUpper(hex.EncodeToString(h.Sum(nil)))
		a.targets[stem] = size
		return nil
	})
	if form := Form(data); len(data) > 0 && form != FormArchive && (err != nil || text == "") {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op, Detail: "it is no provider archive: " + form}
	}
	if err != nil {
		return nil, during(err, op, "")
	}
	if text == "" {
		return nil, &lattice.Error{Code: lattice.ErrUnsigned, Op: op,
			Detail: "it has no claims; to make an archive that has: weft par create EXECUTABLE --contract CONTRACT"}
	}
	if len(hashes) == 0 {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op,
			Detail: "Not enough files found in provider archive. Is this a complete archive?"}
	}
	if a.Claims, err = readProviderClaims(text, now); err != nil {
		return nil, during(err, op, "")
	}
	for _, target := range slices.Sorted(maps.Keys(hashes)) {
		have := hashes[target]
		if want := a.Claims.TargetHashes[target]; want != have {
			return nil, &lattice.Error{Code: lattice.ErrHashMismatch, Op: op, Entity: string(a.Claims.Subject),
				Detail: target + " (" + have + " / " + lattice.Printable(want) +
					"); it was altered after it was signed; make it again with: weft par create"}
		}
	}
	return a, nil
}

// readProviderClaims checks the form, the contents and the signature, in this order: the cheap checks first.
func readProviderClaims(text string, now time.Time) (*ProviderClaims, error) {
	wire, t, err := readClaims[providerWascap](text, KindProvider)
	if err != nil {
		return nil, err
	}
	if err := wire.Wascap.check(); err != nil {
		return nil, err
	}
	if err := wire.verify(t, now); err != nil {
		return nil, err
	}
	w := wire.Wascap
	return &ProviderClaims{
		Subject: lattice.ProviderID(wire.Sub), Issuer: lattice.AccountID(wire.Iss),
		Name: w.Name, ContractID: w.CapID, Vendor: w.Vendor, Revision: w.Rev, Version: w.Ver,
		TargetHashes: w.TargetHashes, ConfigSchema: w.ConfigSchema,
		Validity: wire.validity(), TokenRevision: wire.revision(),
	}, nil
}

// Targets returns the targets that the archive holds a binary for, in order.
func (a *Archive) Targets() []string { return slices.Sorted(maps.Keys(a.targets)) }

// Binary returns a new copy of the binary for a target, see CurrentTarget. It returns ErrNotFound if there is none.
func (a *Archive) Binary(target string) ([]byte, error) {
	size, ok := a.targets[target]
	if !ok {
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "read provider archive",
			Entity: lattice.Printable(target),
			Detail: "target not found; it has " + strings.Join(a.Targets(), ", ")}
	}
	bin := make([]byte, size) // as large as what was verified
	err := a.walk(func(stem string, _ int64, r io.Reader) error {
		if stem != target {
			return nil
		}
		_, err := io.ReadFull(r, bin)
		return err
	})
	if err != nil {
		return nil, during(err, "read provider archive", target)
	}
	return bin, nil
}

// walk calls visit with the stem of each entry that has a meaning: "claims" or a target, each at most once. Anything
// that is no plain file in the top folder is refused, other files are passed over; all count towards the limits.
func (a *Archive) walk(visit func(stem string, size int64, r io.Reader) error) error {
	var src io.Reader = bytes.NewReader(a.data)
	if isGzip(a.data) {
		z, err := gzip.NewReader(src)
		if err != nil {
			return badArchive(err)
		}
		src = z
	}
	t := tar.NewReader(&budget{r: src, left: a.maxBytes})
	seen := map[string]bool{}
	var total int64
	for entries := 0; ; entries++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return badArchive(err)
		}
		if entries == maxArchiveEntries {
			return badArchive(fmt.Errorf("more than %d entries", maxArchiveEntries))
		}
		// A sparse entry is larger than what it takes in the file.
		if h.Size > a.maxBytes-total {
			return tooLarge(a.maxBytes)
		}
		total += h.Size
		stem, err := stemOf(h)
		if err != nil {
			return badArchive(err)
		}
		if stem != claimsStem && !isTarget(stem) {
			continue
		}
		if seen[stem] {
			return badArchive(fmt.Errorf("two entries for %s", stem))
		}
		seen[stem] = true
		if err := visit(stem, h.Size, t); err != nil {
			return badArchive(err)
		}
	}
}

// stemOf returns the name of a file without its extension.
func stemOf(h *tar.Header) (string, error) {
	name := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
		return "", nil // the folder itself, as some tools write it
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeGNUSparse {
		return "", fmt.Errorf("entry %s is no plain file", lattice.Printable(h.Name))
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\\\x00") {
		return "", fmt.Errorf("entry %q is not in the top folder", lattice.Printable(h.Name))
	}
	return strings.TrimSuffix(name, path.Ext(name)), nil
}

func tooLarge(limit int64) error {
	return &lattice.Error{Code: lattice.ErrTooLarge, Detail: fmt.Sprintf("it holds more than %d bytes", limit)}
}

// badArchive turns what the tar and gzip readers return into ErrInvalid; errors of this package stay.
func badArchive(err error) error {
	var e *lattice.Error
	if errors.As(err, &e) {
		return e
	}
	return &lattice.Error{Code: lattice.ErrInvalid, Detail: "it is damaged or no provider archive", Err: err}
}

// budget ends a stream with ErrTooLarge after left bytes, and some room for the headers of the archive.
type budget struct {
	r    io.Reader
	left int64
	read int64
}

// Read counts what an archive expands to, and ends one that expands beyond its limit. Tar headers do not count, up to
// those of as many entries as an archive may have.
func (b *budget) Read(p []byte) (int, error) {
	const headers = maxArchiveEntries * 4096
	n, err := b.r.Read(p)
	if b.read += int64(n); b.read-headers > b.left {
		return 0, tooLarge(b.left)
	}
	return n, err
}
