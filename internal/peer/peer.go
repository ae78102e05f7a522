// Package peer is what a host and a provider's process have in common: an rpc server and an rpc client around something
// of their own, with one set of trusted keys, one budget of large payloads and one directory of hosts.
package peer

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// Config configures a Peer. Lattice, HostID, Cluster, Trusted, Budget and Logger are required; see rpc.ClientConfig and
// rpc.ServerConfig for the rest, and for the defaults.
type Config struct {
	Lattice lattice.Name
	HostID  lattice.HostID      // the host, or the one that started the provider
	Cluster signing.KeyPair     // signs calls
	Trusted []lattice.ClusterID // public keys of all that calls may be signed with, that of Cluster among them
	Budget  *load.Budget
	Logger  *slog.Logger
	Meter   *stream.Meter // of the bodies beside calls; nil: nobody looks

	CallTimeout      time.Duration // of calls made whose context has no deadline
	ServeTimeout     time.Duration // of calls served whose callers do not say how long they wait
	MaxAge, MaxAhead time.Duration // bounds on when a call that is served was signed
	Sent             func(rpc.Attempt)
	Observe          func(ctx context.Context, inv *wire.Invocation, took time.Duration, err error)
}

// Peer makes and serves calls over NATS. It is safe for concurrent use and does not own its connections.
type Peer struct {
	Client    *rpc.Client
	Server    *rpc.Server
	Directory *rpc.Directory
	Streams   *rpc.Streams
	Verifier  *signing.Verifier
	Agreement *signing.Agreement

	nc *nats.Conn
}

// New returns a peer that calls and serves on nc, and that hears on beats which hosts there are. Nothing is served yet.
func New(nc, beats *nats.Conn, cfg Config) (*Peer, error) {
	p := &Peer{nc: nc, Verifier: signing.NewVerifier(cfg.Trusted...)}
	var err error
	if p.Agreement, err = signing.NewAgreement(cfg.Cluster, p.Verifier); err != nil {
		return nil, err
	}
	p.Directory = rpc.NewDirectory(beats, cfg.Lattice, cfg.Logger)
	p.Streams = rpc.NewStreams(cfg.Lattice, cfg.HostID, p.Agreement, cfg.Meter)
	p.Client = rpc.NewClient(nc, rpc.ClientConfig{Lattice: cfg.Lattice, HostID: cfg.HostID, Cluster: cfg.Cluster,
		Timeout: cfg.CallTimeout, Budget: cfg.Budget, Directory: p.Directory, Agreement: p.Agreement,
		Streams: p.Streams,
		Logger:  cfg.Logger,
		Sent:    cfg.Sent})
	p.Server = rpc.NewServer(nc, rpc.ServerConfig{Lattice: cfg.Lattice, HostID: cfg.HostID, Verifier: p.Verifier,
		Timeout: cfg.ServeTimeout, MaxAge: cfg.MaxAge, MaxAhead: cfg.MaxAhead, Budget: cfg.Budget,
		Directory: p.Directory, Streams: p.Streams,
		Agreement: p.Agreement, Logger: cfg.Logger, Observe: cfg.Observe})
	return p, nil
}

// Rekey trusts exactly these public keys from now on, and then signs with another cluster key. With an error nothing
// has changed.
func (p *Peer) Rekey(cluster signing.KeyPair, trusted ...lattice.ClusterID) error {
	if err := p.Verifier.Set(trusted...); err != nil {
		return err
	}
	p.Client.SetCluster(cluster)
	return nil
}

// Reconnect gives the connection of the calls new credentials without losing a call; see rpc.Reconnect.
func (p *Peer) Reconnect(ctx context.Context, cfg natsconn.Config, hold bool) error {
	return rpc.Reconnect(ctx, p.nc, cfg, p.Client, p.Server, hold)
}

// Route makes a call where the route of its link says: on this host, by local, or else over NATS, by away. local
// reports whether the call is done; it has not begun otherwise. With stay it is not tried elsewhere.
func Route[T any](route wire.Route, call *rpc.Call, local func(stay bool) (result T, err error, done bool),
	away func() (T, error)) (T, error) {
	if route == wire.AnyHost {
		return away()
	}
	stay := route == wire.LocalOnly
	result, err, done := local(stay)
	switch {
	case done:
		return result, err
	case stay:
		var none T
		return none, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call " + call.Operation + " of",
			Entity: call.Target.PublicKey,
			Detail: "it is not on this host, and the link says " + wire.RouteValue + "=" + string(wire.LocalOnly)}
	}
	return away()
}
