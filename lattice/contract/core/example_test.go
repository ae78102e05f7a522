package core_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/core"
)

func Example() {
	answer := core.Health{Message: "the store is away"}.Encode() // an actor's answer to core.HealthRequest
	h, err := core.DecodeHealth(answer)
	fmt.Println(h.Healthy, h.Message, err)
	// Output: false the store is away <nil>
}
