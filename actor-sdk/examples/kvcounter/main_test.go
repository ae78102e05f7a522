package main

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/lattice/contract/keyvalue"
)

func TestCounts(t *testing.T) {
	h := actortest.New(t)
	for _, want := range []string{`{"counter":1}`, `{"counter":2}`} {
		if got := h.Get("/foo"); got.Text() != want || got.StatusCode != 200 {
			t.Errorf("%d %s, want %s", got.StatusCode, got.Text(), want)
		}
	}
	h.Get("/foo/bar")
	if got := h.Store().Keys(); len(got) != 2 || got[0] != "counter::foo" || got[1] != "counter::foo:bar" {
		t.Errorf("keys %q", got)
	}
}

// The bytes are those of the kvcounter of old.
func TestWire(t *testing.T) {
	h := actortest.New(t)
	h.Provider(keyvalue.ID, "default", func(operation string, payload []byte) ([]byte, error) {
		if operation != "KeyValue.Increment" ||
			hex.EncodeToString(payload) != "82a36b6579ac636f756e7465723a3a666f6fa576616c756501" {
			t.Errorf("sent %s %x", operation, payload)
		}
		return []byte{0x2a}, nil
	})
	if got := h.Get("/foo").Text(); got != `{"counter":42}` {
		t.Error(got)
	}
}

func TestStoreFails(t *testing.T) {
	h := actortest.New(t)
	h.Provider(keyvalue.ID, "", func(string, []byte) ([]byte, error) { return nil, errors.New("boom") })
	var body struct{ Error string }
	if got := h.Get("/foo"); got.StatusCode != 500 || got.JSON(&body) != nil ||
		body.Error != "KeyValue.Increment of wasmcloud:keyvalue: boom" {
		t.Errorf("%d %s", got.StatusCode, got.Text())
	}
}
