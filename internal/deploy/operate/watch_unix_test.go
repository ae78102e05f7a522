//go:build unix

package operate

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe in the folder, even one with the name of a source, causes no build however much is written into it.
func TestWatchIgnoresPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "gen.go")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := watchFolder(t, dir, Watching{})
	for range 50 {
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(3 * watchQuiet) // a wrong event would lead to a call of its own by now
	d.write("main.go")
	d.expect("a source")
	select {
	case <-d.calls:
		t.Error("a second call")
	case <-time.After(3 * watchQuiet):
	}
}
