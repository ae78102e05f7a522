// Ponger answers the operation Pingpong.Ping with "pong". Others call it by its key or by its call alias weft/ponger.
package main

import (
	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func init() {
	actor.Handle("Pingpong.Ping", func([]byte) ([]byte, error) { return msgpack.EncodeStr("pong"), nil })
}

func main() {}
