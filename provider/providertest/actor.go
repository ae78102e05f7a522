package providertest

import (
	"context"
	"testing"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Actor answers what a provider asks an actor for. inv has been verified.
type Actor func(ctx context.Context, inv *wire.Invocation) ([]byte, error)

// ServeActor stands in for a host that runs an actor, until stop is called: h gets its verified invocations.
func ServeActor(t testing.TB, env *Lattice, actor lattice.ActorID, h Actor) (stop func()) {
	t.Helper()
	s := rpc.NewServer(env.Conn(t), rpc.ServerConfig{Lattice: env.Name,
		Verifier: signing.NewVerifier(env.Cluster.ClusterID()), Logger: env.Logger})
	_, err := s.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: subject.Actor(env.Name, actor),
		Queue: subject.ActorQueue(env.Name, actor), Handler: invocation.Handler(h)})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}
