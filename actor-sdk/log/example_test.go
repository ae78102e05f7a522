package log_test

import (
	"fmt"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/log"
)

func Example() {
	h := actortest.New(nil) // a host in this process; in a test: New(t)
	h.Run(func() {          // as within a call of the actor
		log.Infof("%d orders taken", 3)
		log.Error("the store is away")
	})
	for _, e := range h.Logs() {
		fmt.Println(e.Level, e.Text)
	}
	// Output:
	// info 3 orders taken
	// error the store is away
}
