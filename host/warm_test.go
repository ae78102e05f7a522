package host_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
)

// What Warm has compiled a host need not compile again, whoever signed it since.
func TestWarm(t *testing.T) {
	r := newRig(t)
	cache := t.TempDir()
	key := latticetest.NewKey(t, 'M')
	module := guest(t, "1")
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
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "warm"}),
		MaxInstances: 1})
	r.wantCall(actorID(key), "Test.Echo", "hi", "hi")
	after, err := os.Stat(warm[0])
	if err != nil || !os.SameFile(before, after) || len(files()) != 2 {
		t.Errorf("compiled again: %q, %v", files(), err)
	}
	if err := host.Warm(t.Context(), cache, []byte("no module")); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Error(err)
	}
}

// A module is judged without a host as by one.
func TestCheckModule(t *testing.T) {
	if err := host.CheckModule(guest(t, "1")); err != nil {
		t.Error(err)
	}
	branches := append([]byte{0}, bytes.Repeat([]byte{0x02, 0x40, 0x0b}, 40_000)...)
	branches = append(branches, 0x0b)
	body := append(binary.AppendUvarint(nil, uint64(len(branches))), branches...)
	code := append([]byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a"),
		binary.AppendUvarint(nil, uint64(len(body)+1))...)
	code = append(append(code, 1), body...)
	for words, code := range map[string][]byte{
		"the component exports no function":      []byte("\x00asm\x0d\x00\x01\x00"),
		"does not begin as a WebAssembly module": []byte("no module"),
		"the function 0 has 40000":               code,
	} {
		if err := host.CheckModule(code); lattice.CodeOf(err) != lattice.ErrBadModule || !strings.Contains(err.Error(),
			words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
}

// A component needs the contracts of what it calls and of what it is called for; a module does not tell.
func TestContractsOfAComponent(t *testing.T) {
	hello, err := os.ReadFile("internal/component/testdata/hello.wasm")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := host.Contracts(hello); err != nil ||
		!slices.Equal(got, []lattice.ContractID{"wasmcloud:httpserver"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := host.Contracts(guest(t, "1")); err != nil || got != nil {
		t.Errorf("a module: %q, %v", got, err)
	}
	if _, err := host.Contracts(hello[:2000]); lattice.CodeOf(err) != lattice.ErrBadModule {
		t.Errorf("cut short: %v", err)
	}
}
