package host

import (
	"context"
	"encoding/json"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Link messages to providers are fire and forget, so one that is sent while a provider is cut off from NATS is lost. The
// host therefore compares what its providers have with what they should have, with each health check and when its own
// connection is back, and sends what is missing. Providers of other SDKs do not tell what they have; when the connection
// is back they are sent all their links again, and ignore those that they have.

// relinkTimeout bounds how long a provider may take to say what links it has.
const relinkTimeout = time.Second

func (p *provider) relink(ctx context.Context, reconnected bool) {
	h := p.host
	want := h.state.Of(p.id, p.link)
	have, ok := p.linkStates(ctx)
	if !ok {
		if reconnected {
			for _, def := range want {
				h.state.Tell(def)
			}
		}
		return
	}
	has, wanted := map[lattice.ActorID]bool{}, map[lattice.ActorID]bool{}
	for _, s := range have {
		has[s.ActorID] = true
	}
	for _, def := range want {
		wanted[def.ActorID] = true
		if !has[def.ActorID] {
			h.log.Info("provider lacks a link, sending it again", lattice.LogProvider, p.name, lattice.LogActor, def.ActorID)
			h.state.Tell(def)
		}
	}
	extra := map[lattice.ActorID]bool{}
	for _, s := range have {
		if wanted[s.ActorID] {
			continue
		}
		extra[s.ActorID] = true
		if p.extra[s.ActorID] { // this host may have been the late one at the last check, not at two
			h.log.Info("provider has a link that is gone, deleting it", lattice.LogProvider, p.name, lattice.LogActor, s.ActorID)
			h.state.TellGone(wire.LinkDefinition{ActorID: s.ActorID, ProviderID: p.id, LinkName: p.link, ContractID: p.contract})
		}
	}
	p.extra = extra
}

// linkStates asks for the links of this host's own process: all processes of the provider answer, one per host.
func (p *provider) linkStates(ctx context.Context) ([]wire.LinkState, bool) {
	ctx, cancel := context.WithTimeout(ctx, relinkTimeout)
	defer cancel()
	inbox := p.host.rpc.NewInbox()
	sub, err := p.host.rpc.SubscribeSync(inbox)
	if err != nil {
		return nil, false
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := p.host.rpc.PublishRequest(subject.LinkStates(p.host.cfg.Lattice, p.id, p.link), inbox, nil); err != nil {
		return nil, false
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil || len(msg.Data) == 0 { // no process listens: the server says so with an empty message
			return nil, false
		}
		var links []wire.LinkState
		if msg.Header.Get(wire.HeaderHost) == string(p.host.node.ID) && json.Unmarshal(msg.Data, &links) == nil {
			return links, true
		}
	}
}
