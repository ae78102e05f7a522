package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// Actors of 85 kB that TinyGo has built serve HTTP and use a store, as those of stock Go do.
func TestTinyGo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host("a")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-nats")
	for _, name := range []string{"echo", "kvcounter"} {
		dir := filepath.Join(r.dir, "tinygo", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for from, to := range map[string]string{"../host/internal/wasm/testdata/tinygo/" + name + ".wasm": name +
			".wasm", "../actor-sdk/examples/" + name + "/actor.yaml": "actor.yaml"} {
			if err := os.WriteFile(filepath.Join(dir, to), readFile(t, from), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r.actor(filepath.Join(dir, name+".wasm"), "--max", "2")
	}
	want(t, "GET", r.web("echo")+"/x?q=1", nil, 200, `{"body":[],"method":"GET","path":"/x","query_string":"q=1"}`)
	url := r.web("kvcounter")
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	want(t, "GET", url+"/a", nil, 200, `{"counter":1}`)
	want(t, "GET", url+"/a", nil, 200, `{"counter":2}`)
}
