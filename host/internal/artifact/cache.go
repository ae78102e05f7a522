package artifact

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	store "github.com/weftlattice/weft/lattice/artifact"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/lattice"
)

// cache keeps blobs in files named by the hexadecimal digits of their digest. Several hosts may use one directory:
// files appear complete or not at all. The least recently used go when the limit is exceeded. It is safe for concurrent
// use.
type cache struct {
	dir   string
	limit int64
	log   *slog.Logger
	now   func() time.Time

	mu sync.Mutex // held while the directory is pruned, so that this process does it once at a time
}

func (c *cache) path(digest string) string {
	return filepath.Join(c.dir, strings.TrimPrefix(digest, "sha256:"))
}

// get returns a blob, false when it is not there. A damaged one is removed.
func (c *cache) get(digest string) ([]byte, bool) {
	path := c.path(digest)
	data, err := os.ReadFile(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("cached artifact is unreadable", "path", path, lattice.LogErr, err)
		}
		return nil, false
	}
	if store.Digest(data) != digest {
		c.log.Warn("cached artifact is damaged and is fetched again", "path", path)
		_ = os.Remove(path)
		return nil, false
	}
	now := c.now()
	_ = os.Chtimes(path, now, now) // the order of use; a directory that cannot be written serves without it
	return data, true
}

// put stores a blob and makes room for it. A full or read-only disk costs the cache, not the artifact: it is logged.
func (c *cache) put(digest string, data []byte) {
	if int64(len(data)) > c.limit {
		return
	}
	if err := writeFile(c.path(digest), data, 0o600); err != nil {
		c.log.Warn("artifact cannot be cached", "digest", digest, lattice.LogErr, err)
		return
	}
	now := c.now()
	_ = os.Chtimes(c.path(digest), now, now)
	c.prune(c.path(digest))
}

// prune removes the least recently used blobs until the limit is kept. The one at keep stays.
func (c *cache) prune(keep string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := files.Prune(c.dir, c.limit, keep); err != nil {
		c.log.Warn("cache cannot be pruned", lattice.LogErr, err)
	}
}

// tempPrefix begins the names of files that are being written, as files.Prune wants it.
const tempPrefix = ".tmp-"

// writeFile makes a file appear complete or not at all, even when other processes write it, too.
func writeFile(path string, data []byte, mode os.FileMode) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
