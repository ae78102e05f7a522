package nodefile

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/lattice/artifact"
)

// Locate finds the files that the file names and turns every path into an absolute one. dirs are folders besides
// ActorDirs. A bare actor image name:tag is looked up beside the file, then in ActorDirs, then in dirs, in each as
//
//	name_tag.wasm, name.wasm, name_s.wasm, name/name.wasm, name/build/name.wasm
//
// An image that is not found is not an error: Missing of its actor or provider lists the paths tried, and Locate may be
// called again, when it is there. What the host itself needs is a problem; the error is then a *Problems.
func (f *File) Locate(dirs ...string) error {
	base, err := filepath.Abs(filepath.Dir(f.Path))
	if err != nil {
		return &Problems{Path: f.Path, List: []Problem{{Detail: err.Error()}}}
	}
	absolute := func(path string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(base, path)
	}
	folders := []string{base}
	for _, d := range append(f.ActorDirs[:len(f.ActorDirs):len(f.ActorDirs)], dirs...) {
		folders = append(folders, absolute(d))
	}
	for i, dir := range f.Host.FilesDirs {
		f.Host.FilesDirs[i] = absolute(dir)
	}
	for i := range f.Providers {
		p := &f.Providers[i]
		p.Missing = ""
		if path, ok := pathOf(p.Ref); ok {
			if p.Ref = absolute(path); !isFile(p.Ref) {
				p.Missing = missing(p.Image, p.Ref)
			}
		}
	}
	for i := range f.Actors {
		a := &f.Actors[i]
		a.Missing = ""
		if path, ok := pathOf(a.Ref); ok {
			if a.Ref = absolute(path); !isFile(a.Ref) {
				a.Missing = missing(a.Image, a.Ref)
			}
		} else if kind, _ := image.KindOf(a.Ref); kind == image.Bare {
			tried := candidates(folders, a.Ref)
			if at := slices.IndexFunc(tried, isFile); at >= 0 {
				a.Ref = tried[at]
			} else {
				a.Missing = missing(a.Image, tried...)
			}
		}
	}
	if f.Host.NATSCreds != "" {
		f.Host.NATSCreds = absolute(f.Host.NATSCreds)
		if !isFile(f.Host.NATSCreds) {
			return &Problems{Path: f.Path,
				List: []Problem{{Field: "nats_creds", Detail: missing("the credentials", f.Host.NATSCreds)}}}
		}
	}
	return nil
}

func missing(what string, tried ...string) string {
	return "there is no file for " + what + "; tried:\n    " + strings.Join(tried, "\n    ")
}

// pathOf returns the path that a reference means, if it is one to a file.
func pathOf(ref string) (string, bool) {
	if strings.HasPrefix(ref, "file://") {
		u, err := url.Parse(ref)
		if err != nil {
			return strings.TrimPrefix(ref, "file://"), true
		}
		return u.Path, true
	}
	return ref, !artifact.IsReference(ref) && image.IsPath(ref)
}

// candidates are the files that a reference without a registry may mean, in the order in which they are tried.
func candidates(folders []string, ref string) []string {
	name, tag, _ := strings.Cut(ref, ":")
	last := name[strings.LastIndex(name, "/")+1:]
	forms := []string{name + ".wasm", name + "_s.wasm", name + "/" + last + ".wasm", name + "/build/" + last + ".wasm"}
	if tag != "" {
		forms = append([]string{name + "_" + tag + ".wasm"}, forms...)
	}
	var paths []string
	for _, folder := range folders {
		for _, form := range forms {
			paths = append(paths, filepath.Join(folder, filepath.FromSlash(form)))
		}
	}
	return paths
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
