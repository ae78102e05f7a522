//go:build foreign

package foreign

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
)

// Providers on wasmbus-rpc 0.15 and on wasmcloud-provider-sdk 0.2 start, get their link, serve an actor, report errors,
// call the actor back, and end when they are asked.
func TestRustProviders(t *testing.T) {
	r := newRig(t)
	guest := filepath.Join(r.dir, "guest.wasm")
	r.run("../..", []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", "build", "-buildmode=c-shared", "-o", guest,
		"./host/testdata/guest")
	r.cli("actor", "start", guest, "--cap", "acme:rust", "--cap", "acme:sdk", "--max", "4")

	for _, p := range []struct{ folder, binary, contract, service string }{
		{"provider", "weft-foreign-provider", "acme:rust", "Rust"},
		{"provider-sdk", "weft-foreign-provider-sdk", "acme:sdk", "Sdk"},
	} {
		t.Run(p.folder, func(t *testing.T) {
			r := r.in(t)
			r.cli("provider", "start", filepath.Join(r.cargo(p.folder, ""), p.binary), "--contract", p.contract)
			r.cli("link", "put", "guest", p.binary, p.contract, "key=value")
			call := func(method string) (string, error) {
				return r.call("guest", "Test.Provider", p.contract+" "+p.service+"."+method)
			}
			latticetest.Eventually(t, func() error { // it has the link a moment after it is put
				_, err := call("Echo")
				return err
			})
			for method, want := range map[string]string{"Fail": "out of ", "None": p.service + ".None"} {
				if _, err := call(method); !errors.Is(err, lattice.ErrGuest) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want a text with %q", method, err, want)
				}
			}
			if out, err := call("Back"); err != nil {
				t.Errorf("the provider calls the actor back: %q, %v", out, err)
			}
			if list := r.cli("provider", "list", "-o", "json"); !strings.Contains(list, p.binary) ||
				!strings.Contains(list, "running") {
				t.Errorf("provider list:\n%s", list)
			}
			r.cli("provider", "stop", p.binary)
		})
	}
}
