package event_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/event"
)

// A host tells of a label; an observer that waits for events of that name hears it.
func Example() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		nc, host := env.Conn(t), env.HostID(t)

		ctx := context.Background()
		sub, err := event.Subscribe(ctx, nc, env.Lattice, event.NameHostDraining)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		if err := announce.NewPublisher(nc, env.Lattice, host).Publish(event.HostDraining{}); err != nil {
			t.Fatal(err)
		}
		e, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		data, err := e.Decode()
		_, draining := data.(event.HostDraining)
		fmt.Println(e.Name(), e.HostID() == host, draining, err)
	})
	// Output: host_draining true true <nil>
}
