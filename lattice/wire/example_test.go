package wire_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/wire"
)

func ExampleInvocation() {
	sent := &wire.Invocation{
		Origin: wire.ActorEntity("MDNX3CB6VBXG55GOJ6UYON7AMK6SLYPB6GLPRZGTEE6625EFLJDQKWWR"),
		Target: wire.ProviderEntity("VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW",
			"wasmcloud:keyvalue", "default"),
		Operation: "KeyValue.Get", Msg: []byte("\xa5hello"),
	}
	got, err := wire.DecodeInvocation(sent.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Operation, got.Hash() == sent.Hash())
	fmt.Println(got.TargetURL())
	// Output:
	// KeyValue.Get true
	// wasmbus://wasmcloud/keyvalue/default/VC3IJSRK3KIJUD5PQIEU2UNWT4PQCRYTAXFC4PDLTCMDX7L77YRUGCXW/KeyValue.Get
}

func ExampleHealth() {
	h, err := wire.DecodeHealth(wire.Health{Message: "the disk is full"}.Encode())
	fmt.Println(h.Healthy, h.Message, err)
	// Output: false the disk is full <nil>
}
