package nodefile

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftlattice/weft/lattice/artifact"
)

// Locate finds the files that the file names and turns every path into an absolute one. dirs are folders besides
// ActorDirs. A bare actor image name:tag is looked up beside the file, then in ActorDirs, then in dirs, in each as
//
//	name_tag.wasm, name.wasm, name_s.wasm, name/name.wasm, name/build/name.wasm
//
// What is not found is a problem that lists the paths tried. The error is a *Problems.
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
	problems := &Problems{Path: f.Path}
	missing := func(line int, field, image string, tried []string) {
		problems.List = append(problems.List, Problem{line, field,
			"there is no file for " + image + "; tried:\n    " + strings.Join(tried, "\n    ")})
	}
	if f.Host.NATSCreds != "" {
		f.Host.NATSCreds = absolute(f.Host.NATSCreds)
		if !isFile(f.Host.NATSCreds) {
			missing(0, "nats_creds", "the credentials", []string{f.Host.NATSCreds})
		}
	}
	for i, dir := range f.Host.FilesDirs {
		f.Host.FilesDirs[i] = absolute(dir)
	}
	for i := range f.Providers {
		p := &f.Providers[i]
		if path, ok := pathOf(p.Ref); ok {
			if p.Ref = absolute(path); !isFile(p.Ref) {
				missing(p.Line, "image of provider "+p.Name, p.Image, []string{p.Ref})
			}
		}
	}
	for i := range f.Actors {
		a := &f.Actors[i]
		var tried []string
		if path, ok := pathOf(a.Ref); ok {
			tried = []string{absolute(path)}
		} else if isBare(a.Ref) && !isRegistry(a.Ref) {
			tried = candidates(folders, a.Ref)
		} else {
			continue
		}
		found := false
		for _, path := range tried {
			if found = isFile(path); found {
				a.Ref = path
				break
			}
		}
		if !found {
			missing(a.Line, "image of actor "+a.Name, a.Image, tried)
		}
	}
	if len(problems.List) > 0 {
		problems.sort()
		return problems
	}
	return nil
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
	return ref, !artifact.IsReference(ref) && isPath(ref)
}

func candidates(folders []string, image string) []string {
	name, tag, _ := strings.Cut(image, ":")
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
