package dev

import "testing"

// A file is watched when a source embeds it, or the folder that it is in.
func TestEmbeddedFilesAreSources(t *testing.T) {
	s := &session{embeds: []string{"/p/page.html", "/p/assets", "/p/*.txt"}}
	for path, want := range map[string]bool{"/p/page.html": true, "/p/assets/deep/x.css": true, "/p/a.txt": true,
		"/p/build/a.wasm": false, "/p/assets2/x": false} {
		if s.embedded(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}
