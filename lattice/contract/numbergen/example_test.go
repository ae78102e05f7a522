package numbergen_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/numbergen"
)

func Example() {
	payload := numbergen.Range{Min: 1, Max: 6}.Encode() // the argument of numbergen.RandomInRange
	r, err := numbergen.DecodeRange(payload)
	fmt.Println(r.Min, r.Max, err)
	// Output: 1 6 <nil>
}
