package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Executable returns the path of this machine's binary of a provider archive, mode 0755, and the archive's claims. The
// file is named by the hash of its content, so a new release under an old revision number is never mistaken for the old
// one. A file that is there already is verified before it is used again. It stays until the cache directory is deleted,
// since a provider that runs may have to be started again.
//
// Errors: those of signing.OpenArchive, ErrNotFound when the archive has no binary for this machine, ErrUnavailable
// when it cannot be written.
func (r *Resolver) Executable(archive []byte) (path string, claims *signing.ProviderClaims, err error) {
	a, err := signing.OpenArchive(archive, time.Now())
	if err != nil {
		return "", nil, err
	}
	bin, err := a.Binary(signing.CurrentTarget())
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(bin)
	name := hex.EncodeToString(sum[:])
	path = filepath.Join(r.execDir, name)
	if sameFile(path, int64(len(bin)), name) {
		return path, a.Claims, nil
	}
	if err := writeFile(path, bin, 0o755); err != nil {
		return "", nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "extract provider",
			Entity: string(a.Claims.Subject), Err: err}
	}
	return path, a.Claims, nil
}

// sameFile reports whether path is an executable file of that size and hash.
func sameFile(path string, size int64, sha256Hex string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != size || info.Mode().Perm() != 0o755 {
		return false
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == sha256Hex
}
