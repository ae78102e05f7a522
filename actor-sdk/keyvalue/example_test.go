package keyvalue_test

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/keyvalue"
)

func Example() {
	h := actortest.New(nil) // a host in this process; in a test: New(t)
	h.Run(func() {          // as within a call of the actor
		store := keyvalue.Default()
		if err := store.Set("greeting", "hello", time.Minute); err != nil {
			fmt.Println(err)
		}
		value, exists, err := store.Get("greeting")
		fmt.Println(value, exists, err)
	})
	h.Advance(2 * time.Minute)
	fmt.Println(h.Store().Keys())
	// Output:
	// hello true <nil>
	// []
}
