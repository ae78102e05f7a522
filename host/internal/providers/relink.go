package providers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Link messages to providers are fire and forget, so one that is sent while a provider is cut off from NATS is lost.
// The host therefore compares what its providers have with what they should have, with each health check and when its
// own connection is back, and sends what is missing. Providers of other SDKs do not tell what they have; when the
// connection is back they are sent all their links again, and ignore those that they have.

// relinkTimeout bounds how long a provider may take to say what links it has.
const relinkTimeout = time.Second

// relink sends the process what it lacks, and takes away what is too much at two checks in a row: at one of them this
// host may have been the late one. Only the goroutine of the checks calls it.
func (p *Provider) relink(ctx context.Context, reconnected bool) {
	want := p.cfg.State.Of(p.id, p.link)
	have, ok := p.linkStates(ctx)
	if !ok {
		if reconnected {
			for _, def := range want {
				p.cfg.State.Tell(def)
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
			p.cfg.Logger.Info("provider lacks a link, sending it again", lattice.LogProvider, p.name, lattice.LogActor,
				def.ActorID)
			p.cfg.State.Tell(def)
		}
	}
	extra := map[lattice.ActorID]bool{}
	for _, s := range have {
		if wanted[s.ActorID] {
			continue
		}
		extra[s.ActorID] = true
		if p.extra[s.ActorID] { // this host may have been the late one at the last check, not at two
			p.cfg.Logger.Info("provider has a link that is gone, deleting it", lattice.LogProvider, p.name,
				lattice.LogActor,
				s.ActorID)
			p.cfg.State.TellGone(wire.LinkDefinition{ActorID: s.ActorID, ProviderID: p.id, LinkName: p.link,
				ContractID: p.contract})
		}
	}
	p.extra = extra
}

// linkStates asks for the links of this host's own process: all processes of the provider answer, one per host.
func (p *Provider) linkStates(ctx context.Context) ([]wire.LinkState, bool) {
	ctx, cancel := context.WithTimeout(ctx, relinkTimeout)
	defer cancel()
	inbox := p.cfg.Conn.NewInbox()
	sub, err := p.cfg.Conn.SubscribeSync(inbox)
	if err != nil {
		return nil, false
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := p.cfg.Conn.PublishRequest(subject.LinkStates(p.cfg.Self.Lattice, p.id, p.link), inbox, nil); err != nil {
		return nil, false
	}
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil || len(msg.Data) == 0 { // no process listens: the server says so with an empty message
			return nil, false
		}
		var links []wire.LinkState
		if msg.Header.Get(wire.HeaderHost) == string(p.cfg.Self.ID) && json.Unmarshal(msg.Data, &links) == nil {
			return links, true
		}
	}
}
