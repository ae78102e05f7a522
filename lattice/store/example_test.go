package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/wire"
)

func Example() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		ctx := context.Background()
		s, err := store.Open(ctx, env.Conn(t), env.Lattice, store.Config{})
		if err != nil {
			t.Fatal(err)
		}
		err = s.PutLink(ctx, wire.LinkDefinition{ActorID: env.ActorID(t), ProviderID: env.ProviderID(t),
			ContractID: "wasmcloud:keyvalue", LinkName: lattice.DefaultLink,
			Values: map[string]string{"bucket": "visits"}})
		if err != nil {
			t.Fatal(err)
		}
		links, err := s.Links(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(len(links), links[0].ContractID, links[0].Values["bucket"])
	})
	// Output: 1 wasmcloud:keyvalue visits
}
