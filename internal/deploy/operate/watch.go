package operate

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

// watchQuiet is how long a folder must be quiet after a change before Watch tells of it.
const watchQuiet = 100 * time.Millisecond

// Watching says what Watch looks at and which functions it calls. Its functions are called one at a time.
type Watching struct {
	Files []string               // that count besides the sources, wherever they are
	Wants func(path string) bool // whether a file that is not Go's counts, by its path without links; nil: none does
	Ready func()                 // once changes are seen; may be nil
	// after each change, once it has rested; what changes meanwhile leads to one more call
	Changed func()
}

// Watch tells of changes of the sources below dir until ctx ends; it then returns nil when w.Changed is no longer
// running. Symbolic links are followed. Sources are what decides about a build and its claims: Go's files but for
// tests, Rust's and WIT, Cargo.toml, actor.yaml, and what w adds. Whatever else is written there does not count, so
// that a log, a pipe or a build in the folder causes no build.
func Watch(ctx context.Context, dir string, w Watching) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "watch", Entity: dir, Err: err}
	}
	defer notify.Close()
	t := &tree{notify: notify, wants: w.Wants, seen: map[string]bool{}, single: map[string]bool{}}
	if err := t.add(dir); err != nil {
		return localfile.Error("watch", dir, err)
	}
	for _, file := range w.Files {
		if err := t.file(file); err != nil {
			return localfile.Error("watch", file, err)
		}
	}
	if w.Ready != nil {
		w.Ready()
	}
	quiet := time.NewTimer(0)
	quiet.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-notify.Events:
			if e.Op != fsnotify.Chmod && t.counts(e.Name) {
				quiet.Reset(watchQuiet)
			}
		case err := <-notify.Errors: // events were lost: look again
			if err != nil {
				quiet.Reset(watchQuiet)
			}
		case <-quiet.C:
			w.Changed()
		}
	}
}

// tree is the folders that are watched.
type tree struct {
	notify *fsnotify.Watcher
	wants  func(string) bool
	seen   map[string]bool // folders watched as a whole, by the path without links
	single map[string]bool // files that count in other folders, and links in these, by path
}

// add watches a folder and those below it.
func (t *tree) add(dir string) error {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil || t.seen[real] {
		return err
	}
	if err := t.notify.Add(real); err != nil {
		return err
	}
	t.seen[real] = true
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		t.link(filepath.Join(real, e.Name()))
	}
	return nil
}

// link watches what an entry of a folder leads to: a folder, or the target of a symbolic link. What is gone again, or a
// link to nowhere, is no problem.
func (t *tree) link(path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil || isOutput(path):
	case info.IsDir():
		_ = t.add(path)
	case info.Mode().IsRegular() && (isSource(path) || t.wants != nil && t.wants(path)):
		if l, err := os.Lstat(path); err == nil && l.Mode()&os.ModeSymlink != 0 {
			_ = t.file(path)
		}
	}
}

// file watches one file, and what it leads to when it is a link. It is the folder that is watched, since editors put
// another file in the place of one.
func (t *tree) file(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, name := range []string{real, filepath.Join(folder, filepath.Base(path))} {
		t.single[name] = true
		if err := t.notify.Add(filepath.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

// counts reports whether an event matters. A new folder or link is watched from now on.
func (t *tree) counts(path string) bool {
	if t.single[path] {
		return true
	}
	if !t.seen[filepath.Dir(path)] || isOutput(path) {
		return false
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		t.link(path)
		return true // it may have come with files in it
	}
	if err == nil && !info.Mode().IsRegular() { // a pipe, a socket: writing into it changes no source
		return false
	}
	t.link(path)
	return isSource(path) || t.wants != nil && t.wants(path)
}

// isSource reports whether Go, or what signs the module, reads a file of this name.
func isSource(path string) bool {
	name := filepath.Base(path)
	return !isOutput(path) && !strings.HasSuffix(name, "_test.go") && (name == "actor.yaml" || name == "Cargo.toml" ||
		slices.Contains([]string{".rs", ".wit", ".go", ".mod", ".sum", ".work", ".s", ".c", ".h", ".syso"},
			filepath.Ext(name)))
}

// isOutput reports whether what builds, tools and editors make has such a name: hidden files and folders, folders that
// hold what is built, modules, temporary files.
func isOutput(path string) bool {
	name := filepath.Base(path)
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") ||
		slices.Contains([]string{"build", "node_modules", "testdata", "target"}, name) ||
		slices.Contains([]string{".wasm", ".tmp", ".swp", ".swx", ".out", ".test"}, filepath.Ext(name))
}
