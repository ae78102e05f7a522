package keyvalue_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/keyvalue"
)

func Example() {
	payload := keyvalue.IncrementRequest{Key: "visits", Value: 2}.Encode() // the argument of keyvalue.Increment
	q, err := keyvalue.DecodeIncrementRequest(payload)
	fmt.Println(keyvalue.Increment, q.Key, q.Value, err)
	// Output: KeyValue.Increment visits 2 <nil>
}
