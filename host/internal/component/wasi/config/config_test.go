package config

import (
	"context"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// What a link has for the actor goes before the actor's own configuration.
func TestConfiguration(t *testing.T) {
	linked := []string{"b", "of a link", "d", "4"}
	state := &face.State{Environ: [][2]string{{"a", "1"}, {"b", ""}},
		Ask: func(_ context.Context, _ lattice.LinkName, id lattice.ContractID, operation string,
			_ []byte) ([]byte, error) {
			if id != ownlinks.ID || operation != ownlinks.Config {
				t.Errorf("%s %s", id, operation)
			}
			return msgpack.EncodeStrs(linked), nil
		}}
	call := func(name string, args ...any) any {
		v, err := functions[name].Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}}, args)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for key, want := range map[string]any{"a": face.Some("1"), "b": face.Some("of a link"), "d": face.Some("4"),
		"c": face.None} {
		if got := call("get", key); !reflect.DeepEqual(got, face.Good(want)) {
			t.Errorf("%s: %v", key, got)
		}
	}
	want := face.Good([]any{[]any{"b", "of a link"}, []any{"d", "4"}, []any{"a", "1"}})
	if got := call("get-all"); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	linked = nil // the links go, and the configuration is what is left
	if got := call("get", "b"); !reflect.DeepEqual(got, face.Good(face.Some(""))) {
		t.Errorf("b without links: %v", got)
	}
}
