package wasm

import (
	"context"
	"os"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
)

// A module with a world exports functions, resources and what gives memory back; _initialize is called once, first.
func TestExportsOfAModuleWithWorlds(t *testing.T) {
	file, err := os.ReadFile("../component/testdata/worlds.wasm")
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.Background())
	m, err := e.Compile(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	i, err := m.Instantiate(t.Context(), Limits{}, quiet{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	call := func(name string, args ...any) any {
		t.Helper()
		v, err := i.invoke(t.Context(), name, args)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v
	}
	for n, name := range []string{"Ada", "Grace"} {
		if got := call("greet", name); got != "hello, "+name {
			t.Errorf("%q", got)
		}
		if got := call("after"); got != uint32(n+1) {
			t.Errorf("memory was given back %v times", got)
		}
	}
	if got := call("begun"); got != uint32(1) {
		t.Errorf("_initialize ran %v times", got)
	}
	thing := call("weft:worlds/things#[constructor]thing", uint32(7))
	if rep, ok := thing.(abi.Rep); !ok || rep.N != 7 {
		t.Fatalf("%#v", thing)
	}
	if got := call("weft:worlds/things#[method]thing.get", thing); got != uint32(7) {
		t.Errorf("%v", got)
	}
}
