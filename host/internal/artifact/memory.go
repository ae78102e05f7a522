package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/lattice"
	store "github.com/weftlattice/weft/lattice/artifact"
)

// memory keeps on disk what references meant: of a tag the manifest, of a manifest the content. Each is a small file
// named by the hash of the reference.
type memory struct {
	dir string
	log *slog.Logger
}

// remembered is the content of such a file.
type remembered struct {
	Ref    string `json:"ref"` // for people, and against other files under the same name
	Digest string `json:"digest"`
}

func (m memory) path(ref string) string {
	sum := sha256.Sum256([]byte(ref))
	return filepath.Join(m.dir, hex.EncodeToString(sum[:])+".json")
}

// get returns what a reference meant last. A damaged file counts as none.
func (m memory) get(ref string) (remembered, bool) {
	data, err := os.ReadFile(m.path(ref))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			m.log.Warn("what a reference meant is unreadable", lattice.LogRef, ref, lattice.LogErr, err)
		}
		return remembered{}, false
	}
	var r remembered
	if json.Unmarshal(data, &r) != nil || r.Ref != ref || !store.IsDigest(r.Digest) {
		return remembered{}, false
	}
	return r, true
}

// put remembers. A disk that cannot be written costs the memory only.
func (m memory) put(ref string, r remembered) {
	if old, ok := m.get(ref); ok && old.Digest == r.Digest {
		return
	}
	r.Ref = ref
	data, err := json.Marshal(r)
	if err == nil {
		err = writeFile(m.path(ref), append(data, '\n'), 0o600)
	}
	if err != nil {
		m.log.Warn("what a reference means cannot be kept", lattice.LogRef, ref, lattice.LogErr, err)
	}
}

// detailOf is what an error says beyond its kind.
func detailOf(err error) string {
	var e *lattice.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}
