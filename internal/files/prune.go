package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// unfinished is how old a file may be that is still being written. Such files have names that begin with a dot.
const unfinished = time.Hour

// Prune removes the files of a folder that were used the longest ago, by their time of modification, until the rest has
// at most limit bytes. The file at the path keep stays, as do folders and files that are being written: those whose
// names begin with a dot, for an hour. What cannot be removed is passed over. Several processes may prune one folder.
func Prune(dir string, limit int64, keep string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var all []fs.FileInfo
	var total int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			all = append(all, info)
			total += info.Size()
		}
	}
	slices.SortFunc(all, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range all {
		path := filepath.Join(dir, f.Name())
		dotted := strings.HasPrefix(f.Name(), ".")
		switch young := time.Since(f.ModTime()) < unfinished; {
		case path == keep || dotted && young:
			continue
		case !dotted && total <= limit:
			continue
		}
		if err := os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			total -= f.Size()
		}
	}
	return nil
}

// Used notes that a file was used now, for Prune. A folder that cannot be written to serves all the same.
func Used(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now)
}
