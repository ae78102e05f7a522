package main

import (
	"testing"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func TestPing(t *testing.T) {
	b, err := actortest.New(t).Invoke("Pingpong.Ping", nil)
	if got, _ := msgpack.DecodeStr(b); got != "pong" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
