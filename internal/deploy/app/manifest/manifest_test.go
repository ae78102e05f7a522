package manifest_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/internal/deploy/strictyaml"
	"github.com/weftlattice/weft/lattice"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// each calls do for every file of a folder in testdata.
func each(t *testing.T, dir string, do func(t *testing.T, path string, data []byte)) {
	t.Helper()
	files(t, dir, func(path string, data []byte) {
		t.Run(filepath.Base(path), func(t *testing.T) { do(t, path, data) })
	})
}

func files(t testing.TB, dir string, do func(path string, data []byte)) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", dir))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".yaml" && ext != ".json" {
			continue
		}
		path := filepath.Join("testdata", dir, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found++
		do(path, data)
	}
	if found == 0 {
		t.Fatalf("no files in testdata/%s", dir)
	}
}

// What good files mean is in FILE.out: the format, warnings, and the application as it is written. Read again it is the
// same.
func TestGoodFiles(t *testing.T) {
	each(t, "good", func(t *testing.T, path string, data []byte) {
		f, err := manifest.Parse(path, data)
		if err != nil {
			t.Fatal(err)
		}
		text, err := f.App.YAML()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		fmt.Fprintf(&out, "format %s, version %s\n", f.Format, f.App.Version)
		if len(f.ActorDirs) > 0 {
			fmt.Fprintf(&out, "folders %q\n", f.ActorDirs)
		}
		for _, w := range f.Warnings {
			fmt.Fprintf(&out, "%d:%d: %s: %s\n", w.Line, w.Column, w.Field, w.Detail)
		}
		fmt.Fprintf(&out, "---\n%s", text)
		golden(t, path+".out", []byte(out.String()))
		same(t, f.App, text)
	})
}

// same reads what an application was written as.
func same(t *testing.T, app *manifest.App, text []byte) {
	t.Helper()
	again, err := manifest.Parse("again.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(again.App, app) || again.App.Digest() != app.Digest() {
		t.Errorf("read again it is\n%#v, not\n%#v\n%s", again.App, app, text)
	}
}

// What is wrong with bad files is in FILE.txt, word by word.
func TestBadFiles(t *testing.T) {
	each(t, "bad", func(t *testing.T, path string, data []byte) {
		f, err := manifest.Parse("app.yaml", data)
		if err == nil {
			t.Fatalf("no error: %+v", f.App)
		}
		var p *strictyaml.Problems
		if !errors.Is(err, lattice.ErrInvalid) || !errors.As(err, &p) {
			t.Errorf("error of type %T", err)
		}
		golden(t, path+".txt", []byte(err.Error()+"\n"))
	})
}
