package providertest

import (
	"context"
	"testing"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// ServeActor stands in for a host that runs an actor, until stop is called: h gets its verified invocations.
func ServeActor(t testing.TB, env *latticetest.Env, actor lattice.ActorID, h invocation.Handler) (stop func()) {
	t.Helper()
	s := rpc.NewServer(env.Conn(t), rpc.ServerConfig{Lattice: env.Lattice, Verifier: signing.NewVerifier(env.Cluster.Public()), Logger: env.Logger})
	_, err := s.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: subject.Actor(env.Lattice, actor),
		Queue: subject.ActorQueue(env.Lattice, actor), Handler: h})
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
