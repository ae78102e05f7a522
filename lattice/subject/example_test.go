package subject_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

func Example() {
	const provider lattice.ProviderID = "VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW"
	s := subject.Health("default", provider, lattice.DefaultLink)
	fmt.Println(s)
	r, err := subject.ParseRPC(s)
	fmt.Println(r.Lattice, r.Link, r.Verb, err)
	// Output:
	// wasmbus.rpc.default.VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW.default.health
	// default default health <nil>
}

func ExampleControl() {
	c := subject.Control{Lattice: "default"}
	fmt.Println(c.PingHosts())
	// Output: wasmbus.ctl.default.ping.hosts
}
