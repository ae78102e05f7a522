package operate

import (
	"context"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// CallRequest is an operation to ask of an actor by hand.
type CallRequest struct {
	Actor     string // id or name
	Operation string
	Payload   []byte          // msgpack
	Cluster   signing.KeyPair // a key that the hosts trust
	Origin    wire.Entity     // in whose name; the zero value is the actor itself, which every host knows
}

// Call asks an actor for an operation and returns its answer. The deadline of ctx bounds it, or else
// rpc.DefaultTimeout. For the errors see rpc.Client.Call.
func (l *Lattice) Call(ctx context.Context, r CallRequest) ([]byte, error) {
	id, err := lattice.ParseActorID(r.Actor)
	if err != nil { // a name: ask who that is
		v, err := l.View(ctx)
		if err != nil {
			return nil, err
		}
		if err := v.NeedHosts(); err != nil {
			return nil, err
		}
		if id, err = v.Actor(r.Actor); err != nil {
			return nil, err
		}
	}
	if r.Origin == (wire.Entity{}) {
		r.Origin = wire.ActorEntity(id)
	}
	host, err := signing.New(signing.KindHost)
	if err != nil {
		return nil, err
	}
	client := rpc.NewClient(l.nc, rpc.ClientConfig{Lattice: l.Name(), HostID: lattice.HostID(host.Public()),
		Cluster: r.Cluster})
	return client.Call(ctx, rpc.Call{Origin: r.Origin, Target: wire.ActorEntity(id), Operation: r.Operation,
		Payload: r.Payload})
}
