package datadir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// What a lattice tells of itself holds as long as its process holds the lock, and no second one gets it.
func TestOneLatticeRunsWithADirectory(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "data"))
	release, err := d.ClaimUp()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.SaveUp(Up{PID: os.Getpid(), Lattice: "demo", NATSURL: "nats://127.0.0.1:1",
		DataDir: string(d)}); err != nil {
		t.Fatal(err)
	}
	if u, ok := d.Up(); !ok || u.Lattice != "demo" || u.Connection().URL != "nats://127.0.0.1:1" {
		t.Errorf("%+v, %v", u, ok)
	}
	if _, err := d.ClaimUp(); !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(), "weft down") {
		t.Errorf("claimed twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.AwaitDown(ctx, 7); !errors.Is(err, lattice.ErrTimeout) || !strings.Contains(err.Error(), "pid 7") {
		t.Errorf("still up: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := d.AwaitDown(ctx, 7); err != nil {
		t.Error(err)
	}
	if u, ok := d.Up(); ok {
		t.Errorf("after its end: %+v", u)
	}
}

// A process that died without a word leaves its file, but not its lock.
func TestALatticeThatDiedDoesNotRun(t *testing.T) {
	d := Dir(t.TempDir())
	if err := d.SaveUp(Up{PID: 1 << 22, Lattice: "demo"}); err != nil {
		t.Fatal(err)
	}
	if u, ok := d.Up(); ok {
		t.Errorf("%+v", u)
	}
}

func TestAServerIsFoundUntilThereIsNone(t *testing.T) {
	d := Dir(t.TempDir())
	if _, err := d.Server(); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(), "--nats-listen") {
		t.Errorf("none yet: %v", err)
	}
	if err := os.MkdirAll(d.access(), 0o700); err != nil {
		t.Fatal(err)
	}
	want := Server{Lattice: "demo", Listen: "0.0.0.0", Port: 4222, ServerName: "nats"}
	if err := d.SaveServer(&want); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Server(); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if err := d.SaveServer(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Server(); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("none any more: %v", err)
	}
}

func TestOnlyErrorsOfTheDirectoryAreExplained(t *testing.T) {
	d := Dir("/srv/weft")
	for _, c := range []struct {
		path string
		err  error
		want string // empty: the error stays
	}{
		{"/srv/weft/keys", syscall.EROFS, "its file system is read-only"},
		{"/srv", syscall.EACCES, "may not write there"}, // it had to be made
		{"/srv/weft/up.lock", syscall.EPERM, "may not write there"},
		{"/srv/weftling/up.lock", syscall.EACCES, ""},
		{"/home/me/app.wasm", syscall.EACCES, ""},
		{"/srv/weft/up.json", syscall.ENOENT, ""},
	} {
		before := &lattice.Error{Code: lattice.ErrInternal, Op: "do", Err: &fs.PathError{Op: "open", Path: c.path,
			Err: c.err}}
		after := d.Explain(before)
		if c.want == "" {
			if after != error(before) {
				t.Errorf("%s: %v", c.path, after)
			}
			continue
		}
		for _, part := range []string{"use data directory /srv/weft", c.path, c.want, "--data-dir"} {
			if !errors.Is(after, lattice.ErrInvalid) || !strings.Contains(after.Error(), part) {
				t.Errorf("%s: %v, want %s", c.path, after, part)
			}
		}
	}
	if d.Explain(nil) != nil {
		t.Error("nothing became something")
	}
}
