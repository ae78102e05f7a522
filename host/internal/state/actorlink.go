package state

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// learnPatience is how long a host takes at most to learn which hosts run an actor. Clients of the dialect wait two
// seconds for the answer to a put, which must not be spent here.
const learnPatience = 1500 * time.Millisecond

// checkActorLink says why one actor cannot serve what another one imports, as far as it is known what they import and
// export. A link that works is not moved to an actor that runs nowhere.
func (s *State) checkActorLink(ctx context.Context, def wire.LinkDefinition, target lattice.ActorID) error {
	if _, err := def.Route(); err != nil {
		return err
	}
	for name := range def.Values {
		if !strings.HasPrefix(name, wire.ReservedValues) {
			return &lattice.Error{Code: lattice.ErrInvalid, Op: "read link value", Entity: lattice.Printable(name),
				Detail: "a link to an actor has no values but " + wire.RouteValue + "; configure the actor"}
		}
	}
	if why := s.misfit(def, s.ClaimsOf(string(def.ActorID)), s.ClaimsOf(string(target))); why != "" {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "link", Entity: string(def.ContractID), Detail: why}
	}
	old, had := s.Find(def.ActorID, def.ContractID, def.LinkName)
	if !had || old.ProviderID == def.ProviderID || s.runs(ctx, target) {
		return nil
	}
	if !s.served(ctx, old) {
		return nil // there is nothing to lose
	}
	return &lattice.Error{Code: lattice.ErrUnavailable,
		Detail: fmt.Sprintf("actor %s, which would take the place of %s, does not run; start it first, or delete "+
			"the link", s.Name(string(target)), s.Name(string(old.ProviderID)))}
}

// runs reports whether an actor runs anywhere. What other hosts run is learned when it is asked for.
func (s *State) runs(ctx context.Context, id lattice.ActorID) bool {
	const pause = 50 * time.Millisecond
	for end := time.Now().Add(learnPatience); ; {
		if s.cfg.Runs(id) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
			if time.Now().After(end) {
				return false
			}
		}
	}
}

// misfit says why a link cannot be used by an actor, or served by another one; "": nothing is known against it.
func (s *State) misfit(def wire.LinkDefinition, from, to control.Claims) string {
	return typed.Misfit(def.ContractID, typed.Side{Name: s.Name(string(def.ActorID)), Surface: from.Interfaces},
		typed.Side{Name: s.Name(string(def.ProviderID)), Surface: to.Interfaces})
}

// Name is what people call an actor or a provider: its name, or its key where that is not known.
func (s *State) Name(key string) string {
	if n := s.ClaimsOf(key).Name; n != "" {
		return n
	}
	return key
}

// Misfit is a link of an actor, or to it, that does not fit it, and why.
type Misfit struct {
	Link wire.LinkDefinition
	Why  string
}

// Misfits are the links between actors that would not fit an actor with such claims.
func (s *State) Misfits(c control.Claims) (all []Misfit) {
	for _, def := range s.All() {
		target, ok := def.Actor()
		if !ok || string(def.ActorID) != c.Subject && string(target) != c.Subject {
			continue
		}
		from, to := s.ClaimsOf(string(def.ActorID)), s.ClaimsOf(string(target))
		if string(def.ActorID) == c.Subject {
			from = c
		}
		if string(target) == c.Subject {
			to = c
		}
		if why := s.misfit(def, from, to); why != "" {
			all = append(all, Misfit{def, why})
		}
	}
	return all
}

// Unlinked are the interfaces that an actor with such claims imports from others, and has no link for.
func (s *State) Unlinked(c control.Claims) (contracts []lattice.ContractID) {
	for _, f := range typed.ParseSurface(c.Interfaces).Imports {
		contract := typed.Contract(f.Interface)
		if !slices.Contains(contracts, contract) && !s.hasLink(lattice.ActorID(c.Subject), contract) {
			contracts = append(contracts, contract)
		}
	}
	return contracts
}
