package state

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// How long the processes of a provider have to say whether they would take a link: as long as linkCheckSilence to say
// that they are there at all, linkCheckPatience for the first answer if one is, and linkCheckQuiet for the others after
// an answer. Clients of the dialect wait two seconds for the answer to a put, which must not be spent here.
const (
	linkCheckSilence  = 400 * time.Millisecond
	linkCheckPatience = 1200 * time.Millisecond
	linkCheckQuiet    = 250 * time.Millisecond
)

// handOverPause is how long the provider that had a link keeps it when another one serves it: the other hosts have to
// see that, too.
const handOverPause = time.Second

// checkLink asks the processes that would serve a link before it is stored. A refused link is not stored where it would
// replace a link that works, nor where waiting does not help. Then the put fails with their reason, and all stays as it
// was. Values that may work later are stored where there is nothing to lose, and are tried again. A provider that does
// not answer, as those of other SDKs do not, is no reason to refuse.
func (s *State) checkLink(ctx context.Context, def wire.LinkDefinition) error {
	if target, ok := def.Actor(); ok {
		return s.checkActorLink(ctx, def, target)
	}
	old, had := s.Find(def.ActorID, def.ContractID, def.LinkName)
	states, err := s.askLink(ctx, def)
	if err != nil {
		return err
	}
	for _, one := range states {
		if one.State != wire.LinkFailed {
			continue
		}
		e := lattice.FromWire(one.Code, one.Error)
		kept := one.Refused != nil || had && old.ProviderID != def.ProviderID
		switch {
		case kept:
			return &lattice.Error{Code: e.Code, Detail: "the provider on host " + string(one.HostID) +
				" refuses it, the link stays as it was: " + one.Error}
		case e.Code == lattice.ErrInvalid || e.Code == lattice.ErrTooLarge:
			return &lattice.Error{Code: e.Code, Detail: "the provider on host " + string(one.HostID) +
				" refuses it, nothing is stored: " + one.Error}
		}
	}
	if had && old.ProviderID != def.ProviderID && len(states) == 0 && !s.served(ctx, def) && s.served(ctx, old) {
		return &lattice.Error{Code: lattice.ErrUnavailable,
			Detail: fmt.Sprintf("provider %s, which would take the place of %s, does not run under link name %s; "+
				"start it first, or delete the link",
				s.ProviderName(def.ProviderID), s.ProviderName(old.ProviderID), def.LinkName)}
	}
	return nil
}

// askLink collects what the processes of a link's provider say to it. It is not an error when none answers. A client
// that watches the subjects of a lattice gets the question, too. So the server does not say that there is no responder.
// And providers of other SDKs do not know the question. Hence it also asks for the actor's links, which processes of
// weft tell at once, also while they try a link.
func (s *State) askLink(ctx context.Context, def wire.LinkDefinition) ([]wire.LinkState, error) {
	id, link := def.ProviderID, def.LinkName.OrDefault()
	if err := cmp.Or(id.Check(), link.Check()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, linkCheckPatience)
	defer cancel()
	there, inbox, answers := s.cfg.Conn.NewInbox(), s.cfg.Conn.NewInbox(), make(chan *nats.Msg, 256)
	for _, box := range []string{there, inbox} {
		sub, err := s.cfg.Conn.ChanSubscribe(box, answers)
		if err != nil {
			return nil, nil // NATS is away, which the store will tell
		}
		defer func() { _ = sub.Unsubscribe() }()
	}
	if s.cfg.Conn.PublishRequest(subject.LinkStates(s.cfg.Lattice, id, link), there, []byte(def.ActorID)) != nil ||
		s.cfg.Conn.PublishRequest(subject.LinkCheck(s.cfg.Lattice, id, link), inbox, def.Encode()) != nil {
		return nil, nil
	}
	var states []wire.LinkState
	quiet := time.NewTimer(linkCheckSilence)
	defer quiet.Stop()
	for {
		select {
		case m := <-answers:
			nobody := len(m.Data) == 0 // no responder: the server says so with an empty message
			var s wire.LinkState
			switch {
			case m.Subject == there:
				if !nobody && len(states) == 0 {
					quiet.Reset(linkCheckPatience)
				}
				continue
			case nobody:
				return states, nil
			case json.Unmarshal(m.Data, &s) == nil:
				states = append(states, s)
			}
			quiet.Reset(linkCheckQuiet)
		case <-quiet.C:
			return states, nil
		case <-ctx.Done():
			return states, nil
		}
	}
}

// served reports whether what serves a link runs anywhere: an actor, or a process of a provider, which is asked.
func (s *State) served(ctx context.Context, def wire.LinkDefinition) bool {
	if id, ok := def.Actor(); ok {
		return s.cfg.Runs(id)
	}
	ctx, cancel := context.WithTimeout(ctx, linkCheckQuiet)
	defer cancel()
	_, err := s.cfg.Conn.RequestWithContext(ctx, subject.Health(s.cfg.Lattice, def.ProviderID, def.LinkName), nil)
	return err == nil
}

// handOver moves a link from one provider to another. Calls go to the old one until the new one says that it has the
// link, or stays silent for too long. The old one loses it a moment later. Each host does this for itself, upon the
// same change of the bucket. The state may change meanwhile: each step looks again.
func (s *State) handOver(ctx context.Context, old, next wire.LinkDefinition) {
	ask, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	subj := subject.LinkPut(s.cfg.Lattice, next.ProviderID, next.LinkName)
	if _, err := s.cfg.Conn.RequestWithContext(ask, subj, next.Encode()); err != nil {
		s.cfg.Logger.Debug("provider does not say that it has a link", lattice.LogProvider, next.ProviderID,
			lattice.LogActor,
			next.ActorID, lattice.LogErr, err)
	}
	if !s.takeOver(next) {
		return // it was put again, or deleted, meanwhile
	}
	s.cfg.Logger.Info("link handed over", lattice.LogActor, next.ActorID, lattice.LogContract, next.ContractID, "from",
		s.ProviderName(old.ProviderID), "to", s.ProviderName(next.ProviderID))
	select {
	case <-time.After(handOverPause):
	case <-ctx.Done():
	}
	if now, ok := s.Find(old.ActorID, old.ContractID, old.LinkName); !ok || now.ProviderID != old.ProviderID {
		s.TellGone(old)
	}
}
