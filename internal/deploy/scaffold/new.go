package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/template"

	weft "github.com/weftlattice/weft"
	"github.com/weftlattice/weft/lattice"
)

// Options of a new project.
type Options struct {
	Module string // path of the Go module; default "example.com/NAME"
}

//go:embed templates
var templates embed.FS

// sdkDir is where the SDK's sources lie in a project. Its leading dot keeps it out of the project's own packages.
const sdkDir = ".weft/sdk"

// sdkModule is the go.mod of the SDK's sources: they need the standard library only.
const sdkModule = "module github.com/weftlattice/weft\n\ngo 1.24\n"

// New lays down the project of an actor: sources, a test, actor.yaml, and the SDK itself, so that it builds and tests
// without a network. The folder dir may not exist yet, or be empty; a file or anything in it is lattice.ErrConflict. A
// bad name is lattice.ErrInvalid. After an error nothing is left behind.
func New(dir, name string, opts Options) error {
	if err := CheckName(name); err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "new actor", Detail: err.Error()}
	}
	if opts.Module == "" {
		opts.Module = "example.com/" + name
	}
	if strings.ContainsFunc(opts.Module, isOdd) || strings.ContainsAny(opts.Module, "\"`\\") {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "new actor", Entity: name,
			Detail: "module path " + lattice.Printable(opts.Module)}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("new actor %s: %w", name, err)
	}
	switch entries, err := os.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return &lattice.Error{Code: lattice.ErrConflict, Op: "new actor", Entity: name,
			Detail: "the folder " + dir + " is not empty"}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return &lattice.Error{Code: lattice.ErrConflict, Op: "new actor", Entity: name, Detail: dir + " is in the way",
			Err: err}
	}
	if err := lay(dir, name, opts); err != nil {
		return fmt.Errorf("new actor %s: %w", name, err)
	}
	return nil
}

// lay writes everything into a folder beside dir, which then takes dir's place.
func lay(dir, name string, opts Options) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".weft-new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := layTemplates(tmp, map[string]string{"Name": name, "Module": opts.Module, "SDK": sdkDir,
		"Version": DefaultVersion}); err != nil {
		return err
	}
	if err := laySDK(filepath.Join(tmp, filepath.FromSlash(sdkDir))); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, dir)
}

func layTemplates(dir string, data map[string]string) error {
	const root = "templates"
	entries, err := fs.ReadDir(templates, root)
	if err != nil {
		return err
	}
	for _, e := range entries {
		t, err := template.ParseFS(templates, path.Join(root, e.Name()))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Option("missingkey=error").Execute(&out, data); err != nil {
			return err
		}
		name := strings.TrimSuffix(e.Name(), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		if err := os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// laySDK writes the SDK's sources, without their tests, which need more than the standard library.
func laySDK(dir string) error {
	err := fs.WalkDir(weft.SDK, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(weft.SDK, name)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		return os.WriteFile(file, data, 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(sdkModule), 0o644)
}
