package control_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/weftlattice/weft/internal/controlserver"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

// standIn plays a host. What it does not answer itself would panic.
type standIn struct {
	controlserver.Handler
	id lattice.HostID
}

func (h standIn) Host(context.Context) (control.Host, error) {
	return control.Host{ID: h.id, FriendlyName: "calm-river"}, nil
}

func (h standIn) ScaleActor(_ context.Context, r control.ScaleActorRequest) error {
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "scale", Entity: r.ActorRef}
}

// A client asks who is there and gives a command, which the host refuses with a reason.
func ExampleClient() {
	latticetest.Example(func(t testing.TB) { // a NATS server in this process
		env := latticetest.NATS(t)
		ctx := context.Background()
		subjects := subject.Control{Lattice: env.Lattice}
		host := standIn{id: env.HostID(t)}
		server := controlserver.New(env.Conn(t), controlserver.Config{Control: subjects, HostID: host.id,
			Handler: host})
		if err := server.Start(ctx); err != nil {
			t.Fatal(err)
		}
		defer server.Close(ctx)

		client := control.NewClient(env.Conn(t), subjects, latticetest.Patience)
		hosts, err := client.PingHosts(ctx)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(len(hosts), hosts[0].FriendlyName)
		err = client.ScaleActor(ctx, control.ScaleActorRequest{
			HostID: hosts[0].ID, ActorRef: "lattice://echo:1.0", MaxInstances: 10})
		fmt.Println(lattice.CodeOf(err).Name())
	})
	// Output:
	// 1 calm-river
	// not_found
}
