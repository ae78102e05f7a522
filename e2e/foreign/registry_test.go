//go:build foreign

package foreign

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weftlattice/weft/internal/ocitest"
)

// What wash 2 pushes to a registry starts from there, and what weft pushes wash pulls. `make foreign`
// installs wash.
func TestComponentsInARegistryOfWash(t *testing.T) {
	registry := ocitest.Start(t, ocitest.Options{})
	t.Setenv("WASMCLOUD_OCI_ALLOWED_INSECURE", registry.Addr)
	r := newRig(t)
	file, err := filepath.Abs("../../host/internal/component/testdata/hello.wasm")
	if err != nil {
		t.Fatal(err)
	}
	r.cli("provider", "start", "httpserver")
	r.run("", nil, "wash", "oci", "push", "--insecure", registry.Addr+"/theirs:1", file)
	r.cli("actor", "start", registry.Addr+"/theirs:1", "--timeout", "5m")
	if status, body, err := ask(r.site("theirs"), "a text"); err != nil || status != 200 || body != "a text" {
		t.Errorf("%d %q, %v", status, body, err)
	}
	r.cli("push", file, registry.Addr+"/ours:1")
	pulled := filepath.Join(r.dir, "pulled.wasm")
	r.run("", nil, "wash", "oci", "pull", "--insecure", registry.Addr+"/ours:1", pulled)
	stat, err := os.Stat(pulled)
	if err != nil {
		t.Fatal(err)
	}
	if stat.Size() < 70_000 {
		t.Errorf("wash pulls %d bytes", stat.Size())
	}
	r.run("", nil, "wasm-tools", "validate", pulled)
}
