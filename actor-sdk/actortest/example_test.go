package actortest_test

import (
	"fmt"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/keyvalue"
)

// visits is the actor: an init of its package registers it.
func visits([]byte) ([]byte, error) {
	n, err := keyvalue.Default().Increment("visits", 1)
	return fmt.Appendf(nil, "visit %d", n), err
}

func ExampleHost() {
	actor.Handle("Shop.Visit", visits)

	h := actortest.New(nil) // in a test: New(t)
	h.Store().Set("visits", "41", 0)
	answer, err := h.Invoke("Shop.Visit", nil)
	fmt.Println(string(answer), err, h.Calls())
	// Output: visit 42 <nil> [wasmcloud:keyvalue/default KeyValue.Increment]
}
