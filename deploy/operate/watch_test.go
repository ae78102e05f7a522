package operate

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(time.Now().String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go")
	ctx, cancel := context.WithCancel(t.Context())
	calls, ready, ended := make(chan struct{}, 100), make(chan struct{}), make(chan error, 1)
	go func() { ended <- Watch(ctx, dir, func() { close(ready) }, func() { calls <- struct{}{} }) }()
	<-ready
	expect := func(what string) {
		t.Helper()
		select {
		case <-calls:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: no call", what)
		}
	}
	write("main.go")
	expect("a change")
	write("sub/new.go")
	expect("a new folder")
	write("sub/new.go")
	expect("a file in the new folder")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestIsSource(t *testing.T) {
	for path, want := range map[string]bool{"main.go": true, "a/actor.yaml": true, "static/page.html": true, "go.mod": true,
		".git": false, "a/.env": false, "build": false, "x.wasm": false, "x_test.go": false, "x.go~": false, "4913": false} {
		if got := isSource(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}
