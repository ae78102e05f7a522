package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/latticetest"
	"github.com/weftlattice/weft/lattice/signing"
)

// What Warm has compiled a host need not compile again, whoever signed it since.
func TestWarm(t *testing.T) {
	r := newRig(t)
	cache := t.TempDir()
	key := latticetest.NewKey(t, 'M')
	module := guests["1"]
	if err := host.Warm(t.Context(), cache, module); err != nil {
		t.Fatal(err)
	}
	files := func() []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(cache, "compiled", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	warm := files()
	if len(warm) != 2 { // code and checksum
		t.Fatalf("warmed %q", warm)
	}
	before, err := os.Stat(warm[0])
	if err != nil {
		t.Fatal(err)
	}
	h := r.host(func(c *host.Config) { c.CacheDir = cache })
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "warm"}), MaxInstances: 1})
	r.wantCall(actorID(key), "Test.Echo", "hi", "hi")
	after, err := os.Stat(warm[0])
	if err != nil || !os.SameFile(before, after) || len(files()) != 2 {
		t.Errorf("compiled again: %q, %v", files(), err)
	}
	if err := host.Warm(t.Context(), cache, []byte("no module")); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Error(err)
	}
}
