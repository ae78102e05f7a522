package numbergen_test

import (
	"fmt"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/numbergen"
)

func Example() {
	h := actortest.New(nil) // a host in this process; in a test: New(t)
	h.Run(func() {          // as within a call of the actor
		die, err := numbergen.InRange(1, 6)
		fmt.Println(die >= 1 && die <= 6, err)
		id, err := numbergen.GUID()
		fmt.Println(len(id), err)
	})
	// Output:
	// true <nil>
	// 36 <nil>
}
