package config

import (
	"reflect"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/face"
)

func TestConfiguration(t *testing.T) {
	state := &face.State{Environ: [][2]string{{"a", "1"}, {"b", ""}}}
	call := func(name string, args ...any) any {
		v, err := functions[name].Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}}, args)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for key, want := range map[string]any{"a": face.Some("1"), "b": face.Some(""), "c": face.None} {
		if got := call("get", key); !reflect.DeepEqual(got, face.Good(want)) {
			t.Errorf("%s: %v", key, got)
		}
	}
	want := face.Good([]any{[]any{"a", "1"}, []any{"b", ""}})
	if got := call("get-all"); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
