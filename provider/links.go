package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// LinkTimeout bounds PutLink, DelLink and ReviseLink, and the wait for the calls of a link that goes.
const LinkTimeout = 5 * time.Second

// Pauses before a link that failed with lattice.ErrUnavailable is tried again.
const (
	minRetry = 250 * time.Millisecond
	maxRetry = 15 * time.Second
)

// grant is one link as it was put once; a changed link is a new grant.
type grant struct {
	link    Link
	def     wire.LinkDefinition
	route   wire.Route
	settled chan struct{}  // closed when the provider has taken or refused the link
	err     error          // why it refused; written before settled is closed
	calls   sync.WaitGroup // Add only under table.mu while the grant is in the table

	tries int       // failed ones; used by the events' goroutine only
	retry time.Time // when to try again; zero for never
}

func newGrant(def wire.LinkDefinition) *grant {
	values := make(Values, len(def.Values))
	for k, v := range def.Values {
		if !strings.HasPrefix(k, wire.ReservedValues) {
			values[k] = v
		}
	}
	route, _ := def.Route()
	return &grant{def: def, route: route, settled: make(chan struct{}), link: Link{Actor: lattice.ActorID(def.ActorID),
		Name: lattice.LinkName(def.LinkName), Contract: def.ContractID, Values: values}}
}

func (g *grant) failed() bool {
	select {
	case <-g.settled:
		return g.err != nil
	default:
		return false
	}
}

// table holds the links of a process. put, del and retry must be called from one goroutine, the others from any.
type table struct {
	provider Provider
	host     lattice.HostID
	id       lattice.ProviderID
	name     lattice.LinkName
	log      *slog.Logger

	mu     sync.RWMutex
	grants map[lattice.ActorID]*grant // guarded by mu

	failed map[lattice.ActorID]bool // those of grants that may be tried again; used by the events' goroutine only
}

// acquire finds the link of an actor, waits until it is settled, and counts a call until release.
func (t *table) acquire(ctx context.Context, actor string) (*grant, error) {
	t.mu.RLock()
	g := t.grants[lattice.ActorID(actor)]
	if g != nil {
		g.calls.Add(1)
	}
	t.mu.RUnlock()
	if g == nil {
		return nil, unlinked(actor)
	}
	select {
	case <-g.settled:
		if g.err == nil {
			return g, nil
		}
		g.calls.Done()
		code := lattice.ErrUnlinked
		if lattice.CodeOf(g.err) == lattice.ErrUnavailable {
			code = lattice.ErrUnavailable
		}
		return nil, &lattice.Error{Code: code, Detail: fmt.Sprintf("unlinked actor: '%s': its link failed: %v", actor, g.err)}
	case <-ctx.Done():
		g.calls.Done()
		return nil, ctx.Err()
	}
}

func unlinked(actor string) error {
	return &lattice.Error{Code: lattice.ErrUnlinked, Detail: "unlinked actor: '" + lattice.Printable(actor) + "'"}
}

// target returns the contract under which an actor is linked and the way that calls to it take, also while its link is
// being put.
func (t *table) target(actor lattice.ActorID) (contract string, route wire.Route, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if g := t.grants[actor]; g != nil {
		return g.link.Contract, g.route, true
	}
	return "", "", false
}

// states lists the settled links, in the order of their actors.
func (t *table) states() []wire.LinkState {
	list := []wire.LinkState{}
	t.mu.RLock()
	for _, g := range t.grants {
		select {
		case <-g.settled:
		default:
			continue
		}
		s := wire.LinkState{ActorID: g.def.ActorID, LinkName: g.def.LinkName, ContractID: g.def.ContractID,
			ProviderID: g.def.ProviderID, HostID: string(t.host), State: wire.LinkActive}
		if g.err != nil {
			s.State, s.Error, s.Code = wire.LinkFailed, g.err.Error(), lattice.CodeOf(g.err).Name()
		}
		list = append(list, s)
	}
	t.mu.RUnlock()
	slices.SortFunc(list, func(a, b wire.LinkState) int { return strings.Compare(a.ActorID, b.ActorID) })
	return list
}

// put handles a put of a link, however often it comes.
func (t *table) put(ctx context.Context, def wire.LinkDefinition) {
	log := t.log.With(lattice.LogActor, lattice.Printable(def.ActorID), lattice.LogContract, lattice.Printable(def.ContractID))
	if def.LinkName == "" {
		def.LinkName = string(t.name)
	}
	if _, err := lattice.ParseActorID(def.ActorID); err != nil {
		log.Warn("link ignored", lattice.LogErr, err)
		return
	}
	if def.ProviderID != string(t.id) || def.LinkName != string(t.name) {
		log.Warn("link ignored: it is for another provider or link name")
		return
	}
	actor := lattice.ActorID(def.ActorID)
	before := t.grants[actor] // only this goroutine writes
	switch {
	case before == nil:
		t.settle(ctx, nil, newGrant(def))
	case !before.def.Equal(def):
		if before.failed() {
			before = nil
		}
		t.settle(ctx, before, newGrant(def))
	case before.failed():
		t.again(ctx, before)
	default:
		log.Debug("duplicate link put ignored")
	}
}

// again tries a failed link once more.
func (t *table) again(ctx context.Context, g *grant) {
	next := newGrant(g.def)
	next.tries = g.tries
	t.settle(ctx, nil, next)
}

// settle makes next the link of its actor, in the place of before unless that is nil.
func (t *table) settle(ctx context.Context, before, next *grant) {
	t.mu.Lock()
	t.grants[next.link.Actor] = next
	t.mu.Unlock()

	_, err := next.def.Route()
	switch {
	case err != nil && before != nil:
		err = errors.Join(err, t.remove(ctx, before))
	case err != nil: // nothing for the provider
	case before == nil:
		err = t.guard(ctx, "put link", func(ctx context.Context) error { return t.provider.PutLink(ctx, next.link) })
	default:
		err = t.revise(ctx, before, next)
	}
	log := t.log.With(lattice.LogActor, next.link.Actor, lattice.LogContract, next.link.Contract)
	if err == nil {
		delete(t.failed, next.link.Actor)
		log.Info("link active")
	} else {
		next.err = err
		next.tries++
		if t.failed == nil {
			t.failed = map[lattice.ActorID]bool{}
		}
		t.failed[next.link.Actor] = true
		if errors.Is(err, lattice.ErrUnavailable) {
			pause := min(minRetry<<min(next.tries-1, 10), maxRetry)
			next.retry = time.Now().Add(time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())))
		}
		log.Warn("link failed", lattice.LogErr, err, "tries", next.tries)
	}
	close(next.settled)
	if before != nil {
		t.retryConflicts(ctx)
	}
}

func (t *table) revise(ctx context.Context, before, next *grant) error {
	if r, ok := t.provider.(LinkReviser); ok {
		return t.guard(ctx, "revise link", func(ctx context.Context) error {
			return r.ReviseLink(ctx, before.link, next.link)
		})
	}
	if err := t.remove(ctx, before); err != nil {
		t.log.Warn("link not deleted cleanly", lattice.LogActor, before.link.Actor, lattice.LogErr, err)
	}
	return t.guard(ctx, "put link", func(ctx context.Context) error { return t.provider.PutLink(ctx, next.link) })
}

// del handles the deletion of a link. Only the actor counts, and the contract when it is said.
func (t *table) del(ctx context.Context, def wire.LinkDefinition) {
	g := t.grants[lattice.ActorID(def.ActorID)]
	if g == nil || def.ContractID != "" && def.ContractID != g.def.ContractID {
		return
	}
	t.mu.Lock()
	delete(t.grants, g.link.Actor)
	t.mu.Unlock()
	delete(t.failed, g.link.Actor)
	if g.failed() {
		t.log.Info("failed link deleted", lattice.LogActor, g.link.Actor)
		return
	}
	if err := t.remove(ctx, g); err != nil {
		t.log.Warn("link not deleted cleanly", lattice.LogActor, g.link.Actor, lattice.LogErr, err)
	} else {
		t.log.Info("link deleted", lattice.LogActor, g.link.Actor)
	}
	t.retryConflicts(ctx)
}

// remove waits for the calls of a grant that is no longer in the table, and tells the provider.
func (t *table) remove(ctx context.Context, g *grant) error {
	idle := make(chan struct{})
	go func() { // ends with the calls, which all have deadlines
		g.calls.Wait()
		close(idle)
	}()
	patience := time.NewTimer(LinkTimeout)
	defer patience.Stop()
	select {
	case <-idle:
	case <-ctx.Done():
	case <-patience.C:
		t.log.Warn("link deleted while calls go on", lattice.LogActor, g.link.Actor)
	}
	return t.guard(ctx, "delete link", func(ctx context.Context) error { return t.provider.DelLink(ctx, g.link) })
}

// retryConflicts tries the links again that stood against another one.
func (t *table) retryConflicts(ctx context.Context) {
	for _, actor := range t.failures() {
		if g := t.grants[actor]; g.failed() && errors.Is(g.err, lattice.ErrConflict) {
			t.again(ctx, g)
		}
	}
}

// retry tries the failed links that are due, and returns the time of the next one, zero when there is none.
func (t *table) retry(ctx context.Context, now time.Time) (next time.Time) {
	for _, actor := range t.failures() {
		g := t.grants[actor]
		if g.failed() && !g.retry.IsZero() && !g.retry.After(now) {
			t.again(ctx, g)
			g = t.grants[actor]
		}
		if g.failed() && !g.retry.IsZero() && (next.IsZero() || g.retry.Before(next)) {
			next = g.retry
		}
	}
	return next
}

// failures lists those whose links have failed; all others need no second look.
func (t *table) failures() []lattice.ActorID {
	list := make([]lattice.ActorID, 0, len(t.failed))
	for actor := range t.failed {
		list = append(list, actor)
	}
	slices.Sort(list)
	return list
}

// guard bounds what the provider does to a link in time, and turns its panics into errors.
func (t *table) guard(ctx context.Context, op string, f func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, LinkTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			t.log.Error("provider panicked", lattice.LogOp, op, lattice.LogErr, p, "stack", string(debug.Stack()))
			err = &lattice.Error{Code: lattice.ErrInternal, Op: op, Detail: "the provider panicked; its log says where"}
		}
	}()
	return f(ctx)
}
