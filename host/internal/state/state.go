// Package state is what a host knows of the lattice's state and does about it: links, claims, call aliases and
// references of registries. They live in a bucket that all hosts watch; what changes there becomes the link in memory,
// an event, and a message to the provider.
package state

import (
	"context"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Config is what a State needs. All fields are necessary.
type Config struct {
	Lattice lattice.Name
	Store   *store.Store
	Conn    *nats.Conn                                         // over which providers are told of links and asked
	Publish func(events ...event.Data)                         // tells the lattice
	Run     func(key string, work func(context.Context)) error // carries work out in the background
	// the link's provider runs here and may not be built on weft's SDK
	Foreign func(wire.LinkDefinition) bool
	Runs    func(lattice.ActorID) bool // an actor runs here, or on a host that is heard
	Logger  *slog.Logger
}

// State is the lattice's state as one host has it. Make it with New, then Start it once. It is safe for concurrent use.
type State struct {
	*Links
	cfg     Config
	end     context.CancelFunc
	watched chan error
}

// New makes a State that knows nothing before it is started.
func New(cfg Config) *State { return &State{Links: newLinks(), cfg: cfg} }

// Keep stores what the lattice keeps about an actor or a provider.
func (s *State) Keep(ctx context.Context, c control.Claims) error {
	return s.cfg.Store.PutClaims(ctx, c)
}

// KeepRef lets the lattice know whose reference it is. What runs serves without that.
func (s *State) KeepRef(ctx context.Context, ref, publicKey string) {
	if err := s.cfg.Store.PutRef(ctx, store.Ref{URL: withoutScheme(ref), PublicKey: publicKey}); err != nil {
		s.cfg.Logger.Warn("reference not kept in the lattice's state", lattice.LogRef, ref, lattice.LogErr, err)
	}
}

// StoreLink writes a link to the bucket, where all hosts see it, unless the provider refuses it. It becomes the link in
// memory only when the watch brings it back: so this host treats it like any other, and all of them see changes in one
// order.
func (s *State) StoreLink(ctx context.Context, l wire.LinkDefinition) error {
	if err := control.CheckLink(l); err != nil {
		return err
	}
	if err := s.checkLink(ctx, l); err != nil {
		return err
	}
	return s.cfg.Store.PutLink(ctx, l)
}

// DeleteLink deletes a link from the bucket.
func (s *State) DeleteLink(ctx context.Context, r control.RemoveLinkRequest) error {
	return s.cfg.Store.DelLink(ctx, r.ActorID, r.ContractID, r.LinkName)
}

// Full says why the bucket takes no writes; nil when it does.
func (s *State) Full(ctx context.Context) error { return s.cfg.Store.Full(ctx) }

// Tell sends a link to all processes of its provider.
func (s *State) Tell(def wire.LinkDefinition) { s.tell(def, subject.LinkPut) }

// TellGone tells all processes of a link's provider that it is gone.
func (s *State) TellGone(def wire.LinkDefinition) { s.tell(def, subject.LinkDel) }

// tell publishes and waits for no answer, as the dialect's hosts do. A message that is lost is made up for by the
// comparison of links after a reconnect, and with each health check.
func (s *State) tell(def wire.LinkDefinition, verb func(lattice.Name, lattice.ProviderID, lattice.LinkName) string) {
	id, link := def.ProviderID, def.LinkName.OrDefault()
	if id.Check() != nil || link.Check() != nil {
		return // an entry of the bucket that no provider can be meant by
	}
	if !s.cfg.Conn.IsConnected() {
		return // links are compared when it is back
	}
	if err := s.cfg.Conn.Publish(verb(s.cfg.Lattice, id, link), def.Encode()); err != nil {
		s.cfg.Logger.Warn("provider not told of a link", lattice.LogProvider, id, lattice.LogActor, def.ActorID,
			lattice.LogErr, err)
	}
}
