package oci

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2/content/oci"

	"github.com/weftlattice/weft/lattice"
)

// Layout is an OCI image layout being written: a directory, or a tar file when its name ends in ".tar". It is what
// other tools of the OCI world read and write, and fits on a memory stick. Not safe for concurrent use.
type Layout struct {
	path, dir string // dir is path, or what becomes the tar file
	store     *oci.Store
}

// CreateLayout begins a layout. An existing directory that is a layout is added to; a tar file is replaced when all
// went well. Errors are those of the file system, with ErrUnavailable.
func CreateLayout(ctx context.Context, path string) (*Layout, error) {
	l := &Layout{path: path, dir: path}
	var err error
	if isTar(path) {
		if l.dir, err = os.MkdirTemp(filepath.Dir(path), ".weft-layout-"); err != nil {
			return nil, layoutError("create layout", path, err)
		}
	}
	if l.store, err = oci.NewWithContext(ctx, l.dir); err != nil {
		l.discard()
		return nil, layoutError("create layout", path, err)
	}
	return l, nil
}

// Add writes an artifact under a name such as "echo:1.0".
func (l *Layout) Add(ctx context.Context, name string, a Artifact) error {
	if _, err := write(ctx, l.store, a, name); err != nil {
		return layoutError("write layout", name, err)
	}
	return nil
}

// Close finishes the layout.
func (l *Layout) Close() error {
	if !isTar(l.path) {
		return nil
	}
	defer l.discard()
	temp := l.dir + ".tar"
	err := writeTar(temp, l.dir)
	if err == nil {
		err = os.Rename(temp, l.path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return layoutError("write layout", l.path, err)
	}
	return nil
}

// Abandon forgets a tar file that is not finished. After Close it does nothing.
func (l *Layout) Abandon() { l.discard() }

func (l *Layout) discard() {
	if l.dir != l.path {
		_ = os.RemoveAll(l.dir)
	}
}

func writeTar(file, dir string) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	return w.Close()
}

// ReadLayout calls visit with each named artifact of a layout, a directory or a tar file, and its name there. One that
// is no module and no archive, damaged, or larger than maxBytes (0 is 256 MiB) is visited with its error. It ends with
// visit's error.
func ReadLayout(ctx context.Context, path string, maxBytes int64,
	visit func(name string, a Artifact, err error) error) error {
	if maxBytes <= 0 {
		maxBytes = defaultMaxBytes
	}
	info, err := os.Stat(path)
	if err != nil {
		return layoutError("read layout", path, err)
	}
	var store *oci.ReadOnlyStore
	if info.IsDir() {
		store, err = oci.NewFromFS(ctx, os.DirFS(path))
	} else {
		store, err = oci.NewFromTar(ctx, path)
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "read layout", Entity: path,
			Detail: "it is no OCI image layout", Err: err}
	}
	var names []string
	if err := store.Tags(ctx, "", func(tags []string) error {
		names = append(names, tags...)
		return nil
	}); err != nil {
		return layoutError("read layout", path, err)
	}
	for _, name := range names {
		a, err := read(ctx, store, name, name, maxBytes)
		if err != nil {
			err = layoutError("read layout", name, err)
		}
		if err := visit(name, a, err); err != nil {
			return err
		}
	}
	return nil
}

func isTar(path string) bool { return strings.HasSuffix(path, ".tar") }

func layoutError(op, what string, err error) error {
	var own *lattice.Error
	if errors.As(err, &own) {
		return err
	}
	code := lattice.ErrUnavailable
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		code = lattice.ErrNotFound
	case errors.Is(err, context.Canceled):
		code = lattice.ErrCanceled
	case !errors.As(err, &p):
		code = lattice.ErrInvalid // what is in it, not where it is
	}
	return &lattice.Error{Code: code, Op: op, Entity: lattice.Printable(what), Err: err}
}
