package bus

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// A component of wasmCloud 1.x chooses the link of an interface.
func TestSetLinkName(t *testing.T) {
	for _, version := range []string{"@1", "@2"} {
		functions := Family.Functions["wasmcloud:bus/lattice"+version]
		state := &face.State{}
		call := func(name string, args ...any) (any, error) {
			return functions[name].Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}}, args)
		}
		target, err := call(constructor, "wasi", "keyvalue", "store")
		if err != nil {
			t.Fatal(err)
		}
		if state.Link("wasi:keyvalue/store") != "default" {
			t.Error("another link than the default one at first")
		}
		if _, err := call("set-link-name", "cache", []any{target}); err != nil {
			t.Fatal(err)
		}
		if got := state.Link("wasi:keyvalue/store"); got != "cache" {
			t.Errorf("link %s", got)
		}
		if got := state.Link("wasi:keyvalue/batch"); got != "default" {
			t.Errorf("link %s of another interface", got)
		}
		switch v, err := call("set-link-name", "a.b", []any{target}); version {
		case "@1":
			if err == nil || !strings.Contains(err.Error(), "link name") {
				t.Errorf("a name with a dot: %v", err)
			}
		case "@2":
			if v.(abi.Variant).Case != 1 {
				t.Errorf("a name with a dot: %v", v)
			}
		}
		if _, err := call(constructor, strings.Repeat("x", maxName+1), "", ""); err == nil {
			t.Error("a name without bound")
		}
	}
}
