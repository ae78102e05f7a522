package main

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func TestPing(t *testing.T) {
	key := "M" + strings.Repeat("A", 55)
	h := actortest.New(t)
	answer := func(text string) actortest.Func {
		return func(operation string, payload []byte) ([]byte, error) {
			if operation != "Pingpong.Ping" || len(payload) != 0 {
				t.Errorf("called %s with %x", operation, payload)
			}
			return msgpack.EncodeStr(text), nil
		}
	}
	h.Actor("weft/ponger", answer("pong"))
	h.Actor(key, answer("pong of the key"))
	h.Actor("weft/mute", func(string, []byte) ([]byte, error) { return nil, nil })
	for target, want := range map[string]string{"/": `{"value":"pong"}`,
		"/?key=" + key: `{"value":"pong of the key"}`} {
		if got := h.Get(target); got.StatusCode != 200 || got.Text() != want {
			t.Errorf("%s: %d %s", target, got.StatusCode, got.Text())
		}
	}
	for _, target := range []string{"/?key=weft/nobody", "/?key=weft/mute"} {
		if got := h.Get(target); got.StatusCode != 502 || !strings.Contains(got.Text(), `{"error":"`) {
			t.Errorf("%s: %d %s", target, got.StatusCode, got.Text())
		}
	}
}
