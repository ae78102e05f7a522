package scaffold

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	weft "github.com/weftlattice/weft"
	"github.com/weftlattice/weft/lattice"
)

// Options of a new project.
type Options struct {
	Module   string // path of the Go module; default "example.com/NAME"
	Template string // one of Templates; default the first
}

// Templates are what projects are made of: an actor in Go, and a component in Rust.
var Templates = []string{goTemplate, "component-rust"}

const goTemplate = "go"

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
	if opts.Template = cmp.Or(opts.Template, goTemplate); !slices.Contains(Templates, opts.Template) {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "new actor", Entity: name,
			Detail: "there is no template " + lattice.Printable(opts.Template) + "; there are: " +
				strings.Join(Templates, ", ")}
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
	if err := layTemplates(tmp, opts.Template, map[string]string{"Name": name, "Module": opts.Module, "SDK": sdkDir,
		"Version": defaultVersion}); err != nil {
		return err
	}
	if opts.Template == goTemplate {
		if err := laySDK(filepath.Join(tmp, filepath.FromSlash(sdkDir))); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, dir)
}

func layTemplates(dir, which string, data map[string]string) error {
	root := path.Join("templates", which)
	return fs.WalkDir(templates, root, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		t, err := template.ParseFS(templates, file)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Option("missingkey=error").Execute(&out, data); err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, root+"/"), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, out.Bytes(), 0o644)
	})
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
