package provider

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkvalue"
	"github.com/weftlattice/weft/lattice/wire"
)

// LinkTimeout bounds PutLink, DelLink and ReviseLink, and the wait for the calls of a link that goes.
const LinkTimeout = 5 * time.Second

// A link may be refused for a reason that passes. These are the pauses before it is tried again: the first one, the
// longest where something is away, and the longest otherwise, since some servers count attempts with a wrong password.
const (
	minRetry  = 250 * time.Millisecond
	maxRetry  = 15 * time.Second
	maxDenied = time.Minute
)

// grant is one link as it was put once; a changed link is a new grant.
type grant struct {
	link    Link
	def     wire.LinkDefinition
	route   wire.Route
	settled chan struct{}  // closed when the provider has taken or refused the link
	err     error          // why it refused; written before settled is closed
	calls   sync.WaitGroup // Add only under table.mu while the grant is in the table

	refused *refusal // values that came after and were not taken; guarded by table.mu

	tries int       // failed ones; written by the events' goroutine only, under table.mu
	retry time.Time // when to try again; zero for never; as tries
}

// refusal is what became of values that the lattice has stored in the place of those of a grant that works. The grant
// goes on.
type refusal struct {
	def   wire.LinkDefinition
	err   error
	tries int
	retry time.Time
}

func newGrant(def wire.LinkDefinition) *grant {
	values := make(Values, len(def.Values))
	for k, v := range def.Values {
		if !strings.HasPrefix(k, wire.ReservedValues) {
			values[k] = v
		}
	}
	route, _ := def.Route()
	return &grant{def: def, route: route, settled: make(chan struct{}), link: Link{Actor: def.ActorID,
		Name: def.LinkName, Contract: def.ContractID, Values: values}}
}

// vet looks at what can be known of a link without the provider.
func (t *table) vet(def wire.LinkDefinition) error {
	if _, err := def.Route(); err != nil || t.values == nil {
		return err
	}
	_, err := t.values.Read(newGrant(def).link.Values, t.defaults)
	return err
}

// failed reports whether the provider has refused the link; there may be none.
func (g *grant) failed() bool {
	if g == nil {
		return false
	}
	select {
	case <-g.settled:
		return g.err != nil
	default:
		return false
	}
}

// table holds the links of a process. put, check, del and retry must be called from one goroutine, the others from any.
type table struct {
	provider Provider
	host     lattice.HostID
	id       lattice.ProviderID
	name     lattice.LinkName
	log      *slog.Logger
	values   *linkvalue.Table // Info.Values
	defaults Values           // what the configuration of the process says of them

	mu     sync.RWMutex
	grants map[lattice.ActorID]*grant // guarded by mu

	open map[lattice.ActorID]bool // those whose link is not what it should be; used by the events' goroutine only
}

// acquire finds the link of an actor, waits until it is settled, and counts a call until release.
func (t *table) acquire(ctx context.Context, actor lattice.ActorID) (*grant, error) {
	t.mu.RLock()
	g := t.grants[actor]
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
		return nil, &lattice.Error{Code: code, Detail: fmt.Sprintf("unlinked actor: '%s': its link failed: %v", actor,
			g.err)}
	case <-ctx.Done():
		g.calls.Done()
		return nil, ctx.Err()
	}
}

func unlinked(actor lattice.ActorID) error {
	return &lattice.Error{Code: lattice.ErrUnlinked, Detail: "unlinked actor: '" + lattice.Printable(actor) + "'"}
}

// target returns the contract under which an actor is linked and the way that calls to it take, also while its link is
// being put.
func (t *table) target(actor lattice.ActorID) (contract lattice.ContractID, route wire.Route, ok bool) {
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
			list = append(list, t.stateOf(g))
		default:
		}
	}
	t.mu.RUnlock()
	noteAway(t.provider, list)
	slices.SortFunc(list, func(a, b wire.LinkState) int {
		return strings.Compare(string(a.ActorID),
			string(b.ActorID))
	})
	return list
}

// stateOf describes a settled grant. mu is held if it is in the table.
func (t *table) stateOf(g *grant) wire.LinkState {
	s := wire.LinkState{ActorID: g.def.ActorID, LinkName: g.def.LinkName, ContractID: g.def.ContractID,
		ProviderID: g.def.ProviderID, HostID: t.host, State: wire.LinkActive, Checked: t.values != nil}
	if g.err != nil {
		s.State, s.Error, s.Code, s.RetryMS = wire.LinkFailed, g.err.Error(), lattice.CodeOf(g.err).Name(),
			untilMS(g.retry)
	}
	if r := g.refused; r != nil {
		s.Refused = &wire.LinkRefusal{Error: r.err.Error(), Code: lattice.CodeOf(r.err).Name(),
			RetryMS: untilMS(r.retry)}
	}
	return s
}

// untilMS is how many milliseconds there are until then, at least one; 0 stands for never.
func untilMS(then time.Time) int64 {
	if then.IsZero() {
		return 0
	}
	return max(1, time.Until(then).Milliseconds())
}

// put handles a put of a link, however often it comes, and tells what became of it; nil when it is not for this
// provider.
func (t *table) put(ctx context.Context, def wire.LinkDefinition) *wire.LinkState {
	if !t.ours(&def) {
		return nil
	}
	actor := def.ActorID
	before := t.grants[actor] // only this goroutine writes
	switch {
	case before == nil || before.failed() && !before.def.Equal(def):
		t.settle(ctx, newGrant(def))
	case before.failed():
		t.again(ctx, before)
	case !before.def.Equal(def):
		t.revise(ctx, before, newGrant(def), nil)
	default:
		t.refuse(before, nil) // the values that work are the ones that are wanted again
	}
	return t.state(actor)
}

// ours reports whether a definition is for this process, and completes it.
func (t *table) ours(def *wire.LinkDefinition) bool {
	log := t.log.With(lattice.LogActor, lattice.Printable(def.ActorID), lattice.LogContract,
		lattice.Printable(def.ContractID))
	if def.LinkName == "" {
		def.LinkName = t.name
	}
	if err := def.ActorID.Check(); err != nil {
		log.Warn("link ignored", lattice.LogErr, err)
		return false
	}
	if def.ProviderID != t.id || def.LinkName != t.name {
		log.Warn("link ignored: it is for another provider or link name")
		return false
	}
	return true
}

func (t *table) state(actor lattice.ActorID) *wire.LinkState {
	t.mu.RLock()
	defer t.mu.RUnlock()
	g := t.grants[actor]
	if g == nil {
		return nil
	}
	s := t.stateOf(g)
	return &s
}

// check asks the provider whether it would take a link, and changes nothing. The state is what the link asked about
// would have; nil when it is not for this provider. One that would fail tells in Refused that there is a link that
// works, which goes on.
func (t *table) check(ctx context.Context, def wire.LinkDefinition) *wire.LinkState {
	if !t.ours(&def) {
		return nil
	}
	next := newGrant(def)
	before := t.grants[next.link.Actor]
	if before.failed() {
		before = nil
	}
	err := t.vet(def)
	if c, ok := t.provider.(LinkChecker); ok && err == nil && (before == nil || !before.def.Equal(def)) {
		var old *Link
		if before != nil {
			old = &before.link
		}
		err = t.guard(ctx, "check link", func(ctx context.Context) error { return c.CheckLink(ctx, old, next.link) })
	}
	if next.err = err; err != nil {
		t.log.Warn("link values refused", lattice.LogActor, next.link.Actor, lattice.LogContract, next.link.Contract,
			lattice.LogErr, err, "kept", before != nil)
		if before != nil {
			next.refused = &refusal{def: def, err: err}
		}
	}
	s := t.stateOf(next)
	return &s
}

// refuse notes what a link that works has not become; nil for nothing.
func (t *table) refuse(g *grant, r *refusal) {
	t.mu.Lock()
	g.refused = r
	t.mu.Unlock()
	t.watch(g)
}

// again tries a failed link once more, or the values that a link which works was not given.
func (t *table) again(ctx context.Context, g *grant) {
	if !g.failed() {
		if r := g.refused; r != nil {
			t.revise(ctx, g, newGrant(r.def), r)
		}
		return
	}
	next := newGrant(g.def)
	next.tries = g.tries
	t.settle(ctx, next)
}

// settle makes next the link of its actor, which has no link that works.
func (t *table) settle(ctx context.Context, next *grant) {
	t.install(next)
	err := t.vet(next.def)
	if err == nil {
		err = t.guard(ctx, "put link", func(ctx context.Context) error { return t.provider.PutLink(ctx, next.link) })
	}
	t.close(next, err)
}

func (t *table) install(g *grant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grants[g.link.Actor] = g
}

// close settles a grant that is in the table.
func (t *table) close(g *grant, err error) {
	log := t.log.With(lattice.LogActor, g.link.Actor, lattice.LogContract, g.link.Contract)
	t.mu.Lock()
	if g.err = err; err != nil {
		g.tries, g.retry = g.tries+1, nextTry(err, g.tries)
	}
	t.mu.Unlock()
	close(g.settled)
	t.watch(g)
	if err != nil {
		log.Warn("link failed", lattice.LogErr, err, "tries", g.tries, "next", g.retry)
		return
	}
	log.Info("link active")
}

// revise puts next in the place of a link that works, or lets that go on. was is the refusal of the same values before,
// if any.
func (t *table) revise(ctx context.Context, before, next *grant, was *refusal) {
	log := t.log.With(lattice.LogActor, next.link.Actor, lattice.LogContract, next.link.Contract)
	err := t.vet(next.def)
	r, quick := t.provider.(LinkReviser)
	switch {
	case err != nil:
	case quick:
		if err = t.guard(ctx, "revise link", func(ctx context.Context) error {
			return r.ReviseLink(ctx, before.link,
				next.link)
		}); err == nil {
			t.install(next)
			t.close(next, nil)
		}
	default:
		before, err = t.replace(ctx, before, next)
	}
	if err == nil {
		t.retryConflicts(ctx) // what it had may be what another one wants
		return
	}
	refused := &refusal{def: next.def, err: err, tries: 1}
	if was != nil {
		refused.tries = was.tries + 1
	}
	refused.retry = nextTry(err, refused.tries-1)
	t.refuse(before, refused)
	log.Warn("new values of a link refused, the old ones stay", lattice.LogErr, err, "tries", refused.tries, "next",
		refused.retry)
}

// replace deletes a link and puts another one, of a provider that cannot revise; calls wait meanwhile. When the new
// one is refused the old one is put again, as the grant that it returns.
func (t *table) replace(ctx context.Context, before, next *grant) (old *grant, err error) {
	t.install(next)
	if err := t.remove(ctx, before); err != nil {
		t.log.Warn("link not deleted cleanly", lattice.LogActor, before.link.Actor, lattice.LogErr, err)
	}
	err = t.guard(ctx, "put link", func(ctx context.Context) error { return t.provider.PutLink(ctx, next.link) })
	if err == nil {
		t.close(next, nil)
		return nil, nil
	}
	old = newGrant(before.def)
	t.install(old)
	next.err = err
	close(next.settled) // for calls that have waited: they are told why, and the next call finds the old link
	t.close(old, t.guard(ctx, "put link", func(ctx context.Context) error { return t.provider.PutLink(ctx, old.link) }))
	return old, err
}

// nextTry is when something that was refused so many times before is tried again; zero when its reason does not pass by
// itself.
func nextTry(err error, before int) time.Time {
	longest := maxRetry
	switch lattice.CodeOf(err) {
	case lattice.ErrInvalid, lattice.ErrTooLarge, lattice.ErrInternal, lattice.ErrCanceled:
		return time.Time{}
	case lattice.ErrUnavailable, lattice.ErrConflict, lattice.ErrTimeout:
	default:
		longest = maxDenied
	}
	return time.Now().Add(backoff.Policy{First: minRetry, Max: longest, Jitter: 0.2}.Pause(before))
}

// del handles the deletion of a link. Only the actor counts, and the contract when it is said.
func (t *table) del(ctx context.Context, def wire.LinkDefinition) {
	g := t.grants[def.ActorID]
	if g == nil || def.ContractID != "" && def.ContractID != g.def.ContractID {
		return
	}
	t.mu.Lock()
	delete(t.grants, g.link.Actor)
	t.mu.Unlock()
	delete(t.open, g.link.Actor)
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

// due says when a link is to be tried again, zero for never, and why it has not become what it should.
func (t *table) due(g *grant) (at time.Time, err error) {
	switch r := g.refused; {
	case g.failed():
		return g.retry, g.err
	case r != nil:
		return r.retry, r.err
	}
	return time.Time{}, nil
}

// watch notes whether a settled grant is to be looked at again.
func (t *table) watch(g *grant) {
	if _, err := t.due(g); err == nil {
		delete(t.open, g.link.Actor)
		return
	}
	if t.open == nil {
		t.open = map[lattice.ActorID]bool{}
	}
	t.open[g.link.Actor] = true
}

// retryConflicts tries the links again that stood against another one.
func (t *table) retryConflicts(ctx context.Context) {
	for _, actor := range t.waiting() {
		if g := t.grants[actor]; g != nil {
			if _, err := t.due(g); errors.Is(err, lattice.ErrConflict) {
				t.again(ctx, g)
			}
		}
	}
}

// retry tries the links that are due, and returns the time of the next one; zero: no link waits for a try.
func (t *table) retry(ctx context.Context, now time.Time) (next time.Time) {
	for _, actor := range t.waiting() {
		if at, _ := t.due(t.grants[actor]); !at.IsZero() && !at.After(now) {
			t.again(ctx, t.grants[actor])
		}
	}
	for _, actor := range t.waiting() {
		if at, _ := t.due(t.grants[actor]); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// waiting lists those whose links have not become what they should; all others need no second look.
func (t *table) waiting() []lattice.ActorID {
	return slices.Sorted(maps.Keys(t.open))
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
