package lattice_test

import (
	"errors"
	"fmt"

	"github.com/weftlattice/weft/lattice"
)

func ExampleParseActorID() {
	id, err := lattice.ParseActorID("MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR")
	fmt.Println(id, err)
	_, err = lattice.ParseActorID("VDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR")
	fmt.Println(errors.Is(err, lattice.ErrInvalid))
	// Output:
	// MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR <nil>
	// true
}

// An error says what was done, to whom, and why. Its code survives the way over the wire.
func ExampleError() {
	err := &lattice.Error{Code: lattice.ErrBusy, Op: "call", Entity: "KeyValue.Get", Detail: "the queue is full"}
	fmt.Println(err)
	there := lattice.FromWire(err.Code.Name(), err.Error())
	fmt.Println(errors.Is(there, lattice.ErrBusy), there.Code.Retryable())
	// Output:
	// call KeyValue.Get: busy: the queue is full
	// true true
}
