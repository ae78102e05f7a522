package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// waitLinkSet waits until a host has seen the link. One that stays as it was may cause no event, so this ends soon.
func waitLinkSet(ctx context.Context, events *event.Subscription, id string) error {
	const soon = 500 * time.Millisecond
	wait, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		e, err := events.Next(wait)
		switch {
		case lattice.CodeOf(err) == lattice.ErrBusy:
			continue
		case lattice.CodeOf(err) == lattice.ErrTimeout && ctx.Err() == nil:
			return nil
		case err != nil:
			return err
		}
		if data, err := e.Decode(); err == nil {
			if set, ok := data.(event.LinkSet); ok && set.ID == id {
				return nil
			}
		}
	}
}

// awaitLink asks the provider until it tells the same about the link twice in a row, since the first answer may be about
// the values before.
func (l *Lattice) awaitLink(ctx context.Context, link *Link, processes int) error {
	const pause, patience = 100 * time.Millisecond, 3 * time.Second
	begin := time.Now()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	before := ""
	for {
		states := l.linkStates(ctx, link.ProviderID, link.LinkName, processes)
		state, problem, since := states.of(*link)
		if (state == wire.LinkActive || state == wire.LinkAway) && states.answers < processes && time.Since(begin) < patience {
			state = LinkPending // another process has yet to say so
		}
		switch {
		case state == LinkUnknown && time.Since(begin) > patience:
			link.State = state
			return nil
		case state == before && state == wire.LinkActive:
			link.State = state
			return nil
		case state == before && state == wire.LinkAway: // it will be used when that is back
			link.State, link.Error, link.Since = state, problem.Error(), since
			return nil
		case state == before && state == wire.LinkFailed:
			link.State, link.Error = state, problem.Error()
			return fmt.Errorf("the provider can not use the link: %w", problem)
		}
		before = state
		select {
		case <-ctx.Done():
			return unsettled(ctx.Err(), time.Since(begin))
		case <-ticker.C:
		}
	}
}

// linkStates are what the processes of a provider say.
type linkStates struct {
	answers int // processes that answered
	links   map[lattice.ActorID][]wire.LinkState
}

// tell sets the state of a link.
func (s linkStates) tell(l *Link) {
	var problem error
	if l.State, problem, l.Since = s.of(*l); problem != nil {
		l.Error = problem.Error()
	}
}

// of sums the processes up: one failure is a failure, one backend that is away is away, and active is what all have.
func (s linkStates) of(l Link) (state string, problem error, since time.Time) {
	if s.answers == 0 {
		return LinkUnknown, nil, since
	}
	active := 0
	state = wire.LinkActive
	for _, one := range s.links[l.ActorID] {
		if one.ContractID != l.ContractID || one.LinkName != string(l.LinkName) {
			continue
		}
		if one.State == wire.LinkFailed {
			return one.State, told(one.Code, one.Error), since
		}
		if one.State == wire.LinkAway {
			state, problem, since = one.State, told(one.Code, one.Error), one.Since
		}
		active++
	}
	if active < s.answers {
		return LinkPending, nil, since
	}
	return state, problem, since
}

// linkStates asks the processes of a provider, of which so many are known.
func (l *Lattice) linkStates(ctx context.Context, id lattice.ProviderID, link lattice.LinkName, processes int) linkStates {
	const patience = time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	states := linkStates{links: map[lattice.ActorID][]wire.LinkState{}}
	inbox := l.nc.NewInbox()
	sub, err := l.nc.SubscribeSync(inbox)
	if err != nil {
		return states
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := l.nc.PublishMsg(&nats.Msg{Subject: subject.LinkStates(l.Name(), id, link), Reply: inbox}); err != nil {
		return states
	}
	for range processes {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil || len(m.Data) == 0 { // silence, or nobody listens
			break
		}
		var answer []wire.LinkState
		if json.Unmarshal(m.Data, &answer) != nil {
			continue
		}
		states.answers++
		for _, s := range answer {
			states.links[lattice.ActorID(s.ActorID)] = append(states.links[lattice.ActorID(s.ActorID)], s)
		}
	}
	return states
}
