package wasm_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
)

// Of each interface it is told who serves it, or what is missing and what to do.
func TestNeedsOfAComponent(t *testing.T) {
	file := fixture(t, "hello-module.wasm")
	file = bytes.ReplaceAll(file, []byte("[method]fields.append"), []byte("[method]fields.appenx"))
	file = bytes.ReplaceAll(file, []byte("wasi:io/error@0.2.12"), []byte("wasi:io/error@0.3.12"))
	got, err := wasm.Needs(file)
	want := []wasm.Interface{
		{Name: "wasi:io/error@0.3.12", By: "nobody", Missing: []string{"[method]error.to-debug-string"},
			Hint: "built for wasi:io/error@0.3.12; weft runs 0.2: build for wasm32-wasip2"},
		{Name: "wasi:io/streams@0.2.12", By: "host"},
		{Name: "wasi:http/types@0.2.12", By: "nobody", Missing: []string{"[method]fields.appenx"}},
		{Name: "wasi:http/incoming-handler@0.2.12", Export: true, By: "contract", Contract: "wasmcloud:httpserver"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
	got, err = wasm.Needs(fixture(t, "watcher.wasm"))
	want = []wasm.Interface{
		{Name: "wasi:keyvalue/store@0.2.0-draft2", By: "contract", Contract: "wasmcloud:keyvalue"},
		{Name: "wasi:keyvalue/watcher@0.2.0-draft2", Export: true, By: "nobody",
			Missing: []string{
				"on-set: func(bucket: wasi:keyvalue/store bucket, key: string, value: list<u8>)",
				"on-delete: func(bucket: wasi:keyvalue/store bucket, key: string)"},
			Hint: "no store tells a component what changes: take wasi:keyvalue/watcher out of the world, and read " +
				"the store where it counts"},
		{Name: "weft:watcher/counted", Export: true, By: "actor", Contract: "weft:watcher/counted"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
	if got, err := wasm.Needs(fixture(t, "worlds.wasm")); err != nil || len(got) != 2 || got[0].By != "host" ||
		got[1].By != "actor" || got[1].Contract != "weft:worlds/things" || !got[1].Export {
		t.Errorf("%+v, %v", got, err)
	}
}
