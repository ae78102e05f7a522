package scaffold

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/weftlattice/weft/internal/deploy/localfile"
	"github.com/weftlattice/weft/lattice"
)

// Folder is the folder of a project, and the file that its module is built to.
type Folder struct {
	Dir, Out string
	*Project
}

// Open opens the folder of a project. out is the file to build to; empty is build/NAME.wasm below the folder. Errors
// are as with Load, and say what to do where dir is no project.
func Open(dir, out string) (Folder, error) {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return Folder{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "open the project in", Entity: dir,
			Detail: "it is a file, and a project is a folder with an " + ProjectFile +
				"; a module is started with: weft actor start " + dir}
	} else if err != nil {
		return Folder{}, localfile.Error("open the project in", dir, err)
	}
	p, err := Load(dir)
	if lattice.CodeOf(err) == lattice.ErrNotFound && isCargo(dir) {
		p, err = cargoProject(dir)
	}
	if lattice.CodeOf(err) == lattice.ErrNotFound {
		return Folder{}, &lattice.Error{Code: lattice.ErrNotFound, Op: "open the project in", Entity: dir,
			Detail: "it has no " + ProjectFile + " and no Cargo.toml; make a project with: weft new actor NAME"}
	}
	if err != nil {
		return Folder{}, err
	}
	return Folder{dir, cmp.Or(out, filepath.Join(dir, "build", p.Name+".wasm")), p}, nil
}
