package scaffold

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

const (
	cargoFile   = "Cargo.toml"
	cargoTarget = "wasm32-wasip2"
)

// isCargo reports whether a folder is that of a Rust crate, which becomes a component.
func isCargo(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, cargoFile))
	return err == nil && info.Mode().IsRegular()
}

var (
	tableLine = regexp.MustCompile(`^\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$`)
	nameLine  = regexp.MustCompile(`^\s*name\s*=\s*["']([^"']+)["']`)
)

// crateName is the name of the package in a Cargo.toml; "": it has none, as that of a workspace.
func crateName(toml string) string {
	table := ""
	for line := range strings.Lines(toml) {
		line = strings.TrimRight(line, "\r\n")
		if m := tableLine.FindStringSubmatch(line); m != nil {
			table = m[1]
		} else if m := nameLine.FindStringSubmatch(line); m != nil && table == "package" {
			return m[1]
		}
	}
	return ""
}

// cargoProject is the project of a crate without a project file: it has the crate's name, and is granted what the
// component imports and exports.
func cargoProject(dir string) (*Project, error) {
	file := filepath.Join(dir, cargoFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, localfile.Error("read", file, err)
	}
	name := crateName(string(text))
	if name == "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "open the project in", Entity: dir,
			Detail: cargoFile + " names no package; a project is one crate"}
	}
	p := &Project{Name: strings.ReplaceAll(name, "_", "-"), Version: defaultVersion}
	if err := CheckName(p.Name); err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "open the project in", Entity: file,
			Detail: err.Error() + "; or give it another one in an " + ProjectFile}
	}
	return p, nil
}

// cargo builds the crate in dir as a component.
func cargo(ctx context.Context, dir, out string) error {
	var said bytes.Buffer
	err := run(ctx, dir, tool{"cargo", "https://rustup.rs", nil}, &said, "build", "--release", "--target", cargoTarget,
		"--message-format", "json-render-diagnostics")
	if err != nil {
		return err
	}
	var made []string
	for line := range bytes.Lines(said.Bytes()) {
		var m struct {
			Reason    string
			Filenames []string
		}
		if json.Unmarshal(line, &m) != nil || m.Reason != "compiler-artifact" {
			continue
		}
		for _, f := range m.Filenames {
			if filepath.Ext(f) == ".wasm" {
				made = append(made, f)
			}
		}
	}
	if len(made) != 1 {
		return &lattice.Error{Code: lattice.ErrBadModule, Op: "build", Entity: dir,
			Detail: fmt.Sprintf("the crate makes %d .wasm files, and a project is one: "+
				"set crate-type = [\"cdylib\"] under [lib] in %s",
				len(made), cargoFile)}
	}
	wasm, err := os.ReadFile(made[0])
	if err != nil {
		return localfile.Error("read", made[0], err)
	}
	return os.WriteFile(out, wasm, 0o644)
}
