package oci_test

import (
	"errors"
	"fmt"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/oci"
)

// Nothing is fetched here: Check says beforehand what the client would refuse whatever the registry answers.
func ExampleClient_Check() {
	client, err := oci.New(oci.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for _, text := range []string{"registry.example/acme/echo:1.0", "registry.example/acme/echo"} {
		ref, err := oci.ParseReference(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(ref, errors.Is(client.Check(ref), lattice.ErrDenied))
	}
	// Output:
	// registry.example/acme/echo:1.0 false
	// registry.example/acme/echo:latest true
}
