package operate

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/weftlattice/weft/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

// WatchQuiet is how long a folder must be quiet after a change before Watch tells of it.
const WatchQuiet = 100 * time.Millisecond

// Watch calls changed whenever sources below dir have changed and then rested for WatchQuiet, until ctx ends; it then
// returns nil when changed is no longer running. What builds and tools produce does not count: hidden files, folders named
// build, node_modules or testdata, tests, modules, editors' temporary files. Changes during a call lead to one more call.
// ready, when not nil, is called once changes are seen.
func Watch(ctx context.Context, dir string, ready func(), changed func()) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "watch", Entity: dir, Err: err}
	}
	defer w.Close()
	if err := watchTree(w, dir); err != nil {
		return localfile.Error("watch", dir, err)
	}
	if ready != nil {
		ready()
	}
	quiet := time.NewTimer(0)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-w.Events:
			if !isSource(e.Name) || e.Op == fsnotify.Chmod {
				continue
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() {
				_ = watchTree(w, e.Name) // a folder that is gone again is no problem
			}
			quiet.Reset(WatchQuiet)
		case err := <-w.Errors: // events were lost: look again
			if err != nil {
				quiet.Reset(WatchQuiet)
			}
		case <-quiet.C:
			changed()
		}
	}
}

func watchTree(w *fsnotify.Watcher, dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if path != dir && !isSource(path) {
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

// isSource reports whether a change of a file matters to a build.
func isSource(path string) bool {
	name := filepath.Base(path)
	switch {
	case strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"), strings.HasSuffix(name, "~"),
		slices.Contains([]string{"build", "node_modules", "testdata", "target", "4913"}, name), // 4913: what vim tries a folder with
		strings.HasSuffix(name, "_test.go"),
		slices.Contains([]string{".wasm", ".tmp", ".swp", ".swx", ".out", ".test"}, filepath.Ext(name)):
		return false
	}
	return true
}
