package wasm_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest"
)

// A folder for compiled code that is full or read-only, from the start or from some time on, costs no actor: the log
// says it, once, and code is kept again when that can be.
func TestFullOrReadOnlyCacheIsDoneWithout(t *testing.T) {
	modules := []string{"echo", "busy", "state"}
	run := func(t *testing.T, disk *latticetest.Disk, before, meanwhile func()) (log string, kept int) {
		t.Helper()
		dir := filepath.Join(disk.Dir, "code")
		var out bytes.Buffer
		before()
		e, err := wasm.New(t.Context(), wasm.Config{CacheDir: dir, Logger: slog.New(slog.NewTextHandler(&out, nil))})
		if err != nil {
			t.Fatalf("the engine does not start: %v", err)
		}
		defer e.Close(context.Background())
		meanwhile()
		for _, m := range modules {
			i := instantiate(t, compile(t, e, load(t, m)), wasm.Limits{}, &host{})
			if m == "echo" {
				if got, err := i.Call(t.Context(), "x", []byte("hi")); string(got) != "hi" || err != nil {
					t.Fatalf("%q, %v", got, err)
				}
			}
		}
		for path := range files(t, disk.Dir) {
			if strings.HasSuffix(path, ".sum") {
				kept++
			}
		}
		return out.String(), kept
	}
	readOnly := func(t *testing.T, disk *latticetest.Disk) {
		t.Helper()
		if err := disk.ReadOnly(true); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		at   func(t *testing.T, disk *latticetest.Disk)
	}{
		{"full", func(_ *testing.T, disk *latticetest.Disk) { disk.Fill(0) }},
		{"read-only", readOnly},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := latticetest.SmallDisk(t, 4<<20)
			log, kept := run(t, disk, func() { c.at(t, disk) }, nothing)
			if kept != 0 || strings.Count(log, "compiled code is not kept") != 1 || !strings.Contains(log, disk.Dir) {
				t.Errorf("%d modules kept, log %q", kept, log)
			}
		})
		t.Run(c.name+" later", func(t *testing.T) {
			disk := latticetest.SmallDisk(t, 4<<20)
			log, kept := run(t, disk, nothing, func() { c.at(t, disk) })
			if kept != 0 || strings.Count(log, "compiled code is not kept") != 1 {
				t.Errorf("%d modules kept, log %q", kept, log)
			}
		})
	}
	t.Run("room again", func(t *testing.T) {
		disk := latticetest.SmallDisk(t, 4<<20)
		if log, kept := run(t, disk, nothing, nothing); kept != len(modules) || log != "" {
			t.Errorf("%d modules kept, log %q", kept, log)
		}
		readOnly(t, disk) // what is there is used all the same
		if log, kept := run(t, disk, nothing, nothing); kept != len(modules) || log != "" {
			t.Errorf("read-only with all that is needed: %d modules kept, log %q", kept, log)
		}
	})
}
