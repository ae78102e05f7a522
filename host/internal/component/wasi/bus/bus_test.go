package bus

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// A component of wasmCloud 1.x chooses the link of an interface.
func TestSetLinkName(t *testing.T) {
	for _, version := range []string{"@1", "@2"} {
		functions := Family.Functions["wasmcloud:bus/lattice"+version]
		var checked []string
		state := &face.State{Contract: func(face string) lattice.ContractID {
			return lattice.ContractID("contract of " + face)
		},
			Ask: func(_ context.Context, _ lattice.LinkName, id lattice.ContractID, operation string,
				in []byte) ([]byte, error) {
				q, err := ownlinks.DecodeCheckRequest(in)
				checked = append(checked, fmt.Sprintf("%s %s %s", id, operation, q.Contract))
				if q.Link == "cache" {
					return msgpack.EncodeStr("MTARGET"), err
				}
				return msgpack.EncodeStr(""), err
			}}
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
		if got := state.Expected("wasi:keyvalue/store"); version == "@2" && got != "MTARGET" {
			t.Errorf("the link leads to %q", got)
		}
		check := "set-link-name-checked"
		if version == "@2" {
			check = "set-link-name"
		}
		v, err := call(check, "nowhere", []any{target})
		if text, _ := v.(abi.Variant).Value.(string); err != nil || v.(abi.Variant).Case != 1 ||
			!strings.Contains(text, "contract of wasi:keyvalue/store, link name nowhere") {
			t.Errorf("a link that is missing: %v, %v", v, err)
		}
		if got := state.Link("wasi:keyvalue/store"); got != "cache" {
			t.Errorf("link %s after a choice that failed", got)
		}
		if want := string(ownlinks.ID) + " " + ownlinks.Check +
			" contract of wasi:keyvalue/store"; !slices.Contains(checked,
			want) {
			t.Errorf("asked %q", checked)
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
