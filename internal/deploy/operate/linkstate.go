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

// awaitLink asks the provider until it tells the same about the link twice in a row, since the first answer may be
// about the values before.
func (l *Lattice) awaitLink(ctx context.Context, link *Link, processes int) error {
	const pause, patience = 100 * time.Millisecond, 3 * time.Second
	begin := time.Now()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	before := ""
	for {
		states := l.linkStates(ctx, link.ProviderID, link.LinkName, processes)
		problem := states.tell(link)
		state := link.State
		if (state == wire.LinkActive || state == wire.LinkAway) && states.answers < processes &&
			time.Since(begin) < patience {
			state = LinkPending // another process has yet to say so
		}
		switch {
		case state == LinkUnknown && time.Since(begin) > patience:
			link.State = state
			return nil
		case state == before && state == wire.LinkActive && problem != nil:
			return fmt.Errorf("the provider cannot use the new values, the link goes on with the old ones%s: %w",
				nextTry(*link), problem)
		case state == before && state == wire.LinkActive:
			return nil
		case state == before && state == wire.LinkAway && problem != nil:
			return fmt.Errorf("the provider cannot use the new values, the link goes on with the old ones%s: %w; %s",
				nextTry(*link), problem, link.awayText())
		case state == before && state == wire.LinkAway: // it will be used when that is back
			return nil
		case state == before && state == wire.LinkFailed:
			return fmt.Errorf("the provider cannot use the link%s: %w", nextTry(*link), problem)
		}
		before = state
		select {
		case <-ctx.Done():
			return unsettled(ctx.Err(), time.Since(begin))
		case <-ticker.C:
		}
	}
}

// alsoAway adds to the reason for which a put was refused that what the link as it is needs is away.
func (l *Lattice) alsoAway(ctx context.Context, link Link, processes int, refused error) error {
	if processes == 0 {
		return refused
	}
	if l.linkStates(ctx, link.ProviderID, link.LinkName, processes).tell(&link); link.State != wire.LinkAway {
		return refused
	}
	return fmt.Errorf("%w; %s", refused, link.awayText())
}

func (l Link) awayText() string {
	return fmt.Sprintf("what the link as it is needs is away since %s: %s", l.Since.Local().Format(time.DateTime),
		l.Error)
}

// linkStates are what the processes of a provider say.
type linkStates struct {
	answers int // processes that answered
	links   map[lattice.ActorID][]wire.LinkState
}

func nextTry(l Link) string {
	if l.RetryMS == 0 {
		return ""
	}
	return " and tries again by itself"
}

// tell sums the processes up in the link: one failure is a failure, one backend that is away is away, and active is
// what all have. The error is why it failed, or why values that are stored were refused although the link is active.
func (s linkStates) tell(l *Link) (problem error) {
	l.State, l.Error, l.Refused, l.RetryMS, l.Since = LinkUnknown, "", "", 0, time.Time{}
	if s.answers == 0 {
		return nil
	}
	active, failed, away := 0, false, false
	for _, one := range s.links[l.ActorID] {
		if one.ContractID != l.ContractID || one.LinkName != l.LinkName {
			continue
		}
		l.checked = l.checked || one.Checked
		switch {
		case one.State == wire.LinkFailed:
			failed = true
			l.Error, l.RetryMS, l.Since, problem = one.Error, one.RetryMS, time.Time{}, told(one.Code, one.Error)
		default:
			active++
			if one.State == wire.LinkAway && !failed {
				away = true
				l.Error, l.Since = one.Error, one.Since
			}
			if r := one.Refused; r != nil {
				if l.Refused = r.Error; !failed {
					l.RetryMS, problem = r.RetryMS, told(r.Code, r.Error)
				}
			}
		}
	}
	switch {
	case failed && active > 0:
		l.Error += fmt.Sprintf(" (on %d of %d hosts)", s.answers-active, s.answers)
		l.State = wire.LinkFailed
	case failed:
		l.State = wire.LinkFailed
	case active < s.answers:
		l.State = LinkPending
	case away:
		l.State = wire.LinkAway
	default:
		l.State = wire.LinkActive
	}
	return problem
}

// linkStates asks the processes of a provider, of which so many are known.
func (l *Lattice) linkStates(ctx context.Context, id lattice.ProviderID, link lattice.LinkName,
	processes int) linkStates {
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
		if err != nil || len(m.Data) == 0 { // silence, or no process listens
			break
		}
		var answer []wire.LinkState
		if json.Unmarshal(m.Data, &answer) != nil {
			continue
		}
		states.answers++
		for _, s := range answer {
			states.links[s.ActorID] = append(states.links[s.ActorID], s)
		}
	}
	return states
}
