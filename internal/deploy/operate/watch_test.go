package operate

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/localfile"
)

// watched is a folder under Watch.
type watched struct {
	t     *testing.T
	dir   string
	calls chan struct{}
}

func watchFolder(t *testing.T, dir string, w Watching) *watched {
	d := &watched{t, dir, make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	w.Ready, w.Changed = func() { close(ready) }, func() { d.calls <- struct{}{} }
	go func() { ended <- Watch(ctx, dir, w) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// putFile puts a file in place in one step, as editors do, so that there is one event.
func putFile(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := localfile.Write(path, []byte(time.Now().String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (d *watched) write(name string) {
	d.t.Helper()
	putFile(d.t, filepath.Join(d.dir, name))
}

// expect waits for a call. Since calls come in the order of changes, none of an earlier change can come afterwards.
func (d *watched) expect(what string) {
	d.t.Helper()
	select {
	case <-d.calls:
	case <-time.After(60 * time.Second):
		d.t.Fatalf("%s: no call", what)
	}
}

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	putFile(t, filepath.Join(dir, "main.go"))
	d := watchFolder(t, dir, Watching{})
	d.write("main.go")
	d.expect("a change")
	d.write("actor.yaml")
	d.expect("the project file")
	d.write("sub/new.go")
	d.expect("a new folder")
	d.write("sub/new.go")
	d.expect("a file in the new folder")
}

// What a build, a log or a pipe writes into the folder causes no build; what the sources embed does.
func TestWatchIgnoresWhatIsNoSource(t *testing.T) {
	dir := t.TempDir()
	putFile(t, filepath.Join(dir, "main.go"))
	putFile(t, filepath.Join(dir, "dev.log"))
	d := watchFolder(t, dir, Watching{Wants: func(path string) bool { return strings.HasSuffix(path, ".html") }})
	for range 3 {
		for _, name := range []string{"dev.log", "out.txt", "build/x.wasm", "build/x.go", "x.wasm", "x_test.go",
			"data.db", ".env"} {
			d.write(name)
		}
	}
	time.Sleep(3 * watchQuiet) // a wrong event would lead to a call of its own by now
	d.write("page.html")
	d.expect("an embedded file")
	select {
	case <-d.calls:
		t.Error("a second call")
	case <-time.After(3 * watchQuiet):
	}
}

// A project that is reached by a link, folders and files in it that are links, and files elsewhere are seen.
func TestWatchFollowsLinks(t *testing.T) {
	real, elsewhere := t.TempDir(), t.TempDir()
	for _, f := range []string{filepath.Join(real, "main.go"), filepath.Join(elsewhere, "shared", "a.go"),
		filepath.Join(elsewhere, "one.go"), filepath.Join(elsewhere, "two.go"),
		filepath.Join(elsewhere, "config.yaml")} {
		putFile(t, f)
	}
	link := filepath.Join(t.TempDir(), "project")
	for from, to := range map[string]string{link: real, filepath.Join(real, "shared"): filepath.Join(elsewhere,
		"shared"), filepath.Join(real, "one.go"): filepath.Join(elsewhere, "one.go"),
		filepath.Join(real, "loop"): real, filepath.Join(real, "nowhere.go"): filepath.Join(elsewhere, "gone.go")} {
		if err := os.Symlink(to, from); err != nil {
			t.Fatal(err)
		}
	}
	d := watchFolder(t, link, Watching{Files: []string{filepath.Join(elsewhere, "config.yaml")}})
	d.write("main.go")
	d.expect("a project that is a link")
	putFile(t, filepath.Join(elsewhere, "shared", "a.go"))
	d.expect("a folder that is a link")
	putFile(t, filepath.Join(elsewhere, "one.go"))
	d.expect("a file that is a link")
	putFile(t, filepath.Join(elsewhere, "config.yaml"))
	d.expect("a file besides")
	putFile(t, filepath.Join(elsewhere, "two.go")) // no link leads to it
	time.Sleep(3 * watchQuiet)
	if n := len(d.calls); n != 0 {
		t.Errorf("%d more calls", n)
	}
}

func TestIsSource(t *testing.T) {
	for path, want := range map[string]bool{"main.go": true, "a/actor.yaml": true, "go.mod": true,
		"static/page.html": false, "dev.log": false,
		".git": false, "a/.env": false, "build": false, "x.wasm": false, "x_test.go": false, "x.go~": false,
		"4913": false, "#x.go#": false} {
		if got := isSource(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}
