package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/deploy/image"
	"github.com/weftlattice/weft/internal/deploy/nodefile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
)

// Applied is what became of a node's configuration file.
type Applied struct {
	Providers []ProviderState `json:"providers"`
	Actors    []ActorScale    `json:"actors"`
	Links     []Link          `json:"links"`
	Warnings  []string        `json:"warnings,omitempty"`
	Failed    []string        `json:"failed,omitempty"` // what could not be done, with its line in the file, and why

	made []Made // links of earlier files and tries that are still there, or may be
	// what need not be done again: *ProviderState, *startedActor, *Link, by their entries in the file
	done map[string]any
}

// String is for people, a line for each thing.
func (a *Applied) String() string {
	var b strings.Builder
	for _, p := range a.Providers {
		fmt.Fprintf(&b, "  provider  %s (%s, link name %s)\n", p.Name, p.ContractID, p.LinkName)
	}
	for _, x := range a.Actors {
		fmt.Fprintf(&b, "  actor     %s max %s (%s)\n", x.Name, Count(x.Max), x.ID)
	}
	for _, k := range a.Links {
		fmt.Fprintf(&b, "  link      %s -> %s: %s\n", k.ActorName, k.ProviderName, k.State)
	}
	for _, w := range a.Warnings {
		fmt.Fprintf(&b, "  warning   %s\n", w)
	}
	for _, w := range a.Failed {
		fmt.Fprintf(&b, "  failed    %s\n", w)
	}
	return b.String()
}

// Made names a link that a node's file once made.
type Made struct {
	Actor      string             `json:"actor"` // its name in the file
	ActorID    lattice.ActorID    `json:"actor_id"`
	ContractID lattice.ContractID `json:"contract_id"`
	LinkName   lattice.LinkName   `json:"link_name"`
}

// Made lists the links that are there because of this file and those before it, for the next Apply.
func (a *Applied) Made() []Made {
	list := []Made{}
	for _, k := range a.Links {
		list = append(list, Made{k.ActorName, k.ActorID, k.ContractID, k.LinkName})
	}
	for _, m := range a.made {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// startLimit is how long one thing of a file may take to start. What takes longer has failed, and may yet be there at
// the next try.
const startLimit = 2 * time.Minute

// Apply starts what a node's configuration file names on one host: providers and actors, all at once, and their links
// as soon as both ends are there. What cannot be started is in Failed, and the rest is done all the same; doing it
// again may help. before is what became of an earlier try, or nil: what it did is not done again, so that what
// operators have changed since stays. made is what the file had made at an earlier start: links that it no longer makes
// are deleted, unless their actor runs on another host; those of actors that left the file go first, since they may
// stand in the way.
func (l *Lattice) Apply(ctx context.Context, s *Signer, f *nodefile.File, host lattice.HostID, before *Applied,
	made []Made) *Applied {
	r := &application{Lattice: l, file: f, host: host, made: made, out: &Applied{done: map[string]any{},
		made: slices.Clone(made)}, before: map[string]any{}}
	if before != nil {
		r.before = before.done
	}
	for _, m := range made {
		if !slices.ContainsFunc(f.Actors, func(a nodefile.Actor) bool { return a.Name == m.Actor && a.Replicas > 0 }) {
			r.unmake(ctx, m)
		}
	}
	r.start(ctx, s)
	return r.sum(ctx)
}

// application is one Apply. One goroutine uses it.
type application struct {
	*Lattice
	file      *nodefile.File
	host      lattice.HostID
	made      []Made
	before    map[string]any // Applied.done of the try before
	out       *Applied
	failed    []nodefile.Problem
	providers map[string]*ProviderState // by entry; nil where it did not start
	actors    map[string]*startedActor  // the same
}

// startedActor is an actor of a file that runs.
type startedActor struct {
	scale ActorScale
	caps  []lattice.ContractID
}

// entry identifies what a file says of something, wherever it stands there.
func entry(of any) string {
	switch x := of.(type) {
	case nodefile.Provider:
		x.Line, x.Missing = 0, ""
		return fmt.Sprintf("%#v", x)
	case nodefile.Actor:
		x.Line, x.Missing = 0, ""
		return fmt.Sprintf("%#v", x)
	}
	return fmt.Sprintf("%#v", of)
}

func (r *application) fail(line int, what string, err error) {
	r.failed = append(r.failed, nodefile.Problem{Line: line, Field: what, Detail: err.Error()})
}

// start starts what does not run yet, and links what does. The files are read and signed one after another, the rest is
// at once.
func (r *application) start(ctx context.Context, s *Signer) {
	r.providers, r.actors = map[string]*ProviderState{}, map[string]*startedActor{}
	ends := make(chan func())
	pending := 0
	begin := func(work func(ctx context.Context) (end func())) {
		pending++
		go func() {
			ctx, cancel := context.WithTimeout(ctx, startLimit)
			defer cancel()
			ends <- work(ctx)
		}()
	}
	on := Where{Host: string(r.host)}
	for _, p := range r.file.Providers {
		key := entry(p)
		if state, ok := r.before[key].(*ProviderState); ok {
			r.providers[key] = state
			continue
		}
		start, err := r.prepareProvider(ctx, s, p, on)
		if err != nil {
			r.providers[key] = nil
			r.fail(p.Line, "provider "+p.Name, err)
			continue
		}
		begin(func(ctx context.Context) func() {
			state, err := r.StartProvider(ctx, start)
			return func() {
				if err != nil {
					state = nil
					r.fail(p.Line, "provider "+p.Name, err)
				}
				r.providers[key] = state
			}
		})
	}
	for _, a := range r.file.Actors {
		key := entry(a)
		if a.Replicas == 0 {
			continue
		}
		if actor, ok := r.before[key].(*startedActor); ok {
			r.actors[key] = actor
			continue
		}
		start, err := r.prepareActor(ctx, s, a, on)
		if err != nil {
			r.actors[key] = nil
			r.fail(a.Line, "actor "+a.Name, err)
			continue
		}
		begin(func(ctx context.Context) func() {
			actor, err := r.startActor(ctx, a, start)
			return func() {
				if err != nil {
					actor = nil
					r.fail(a.Line, "actor "+a.Name, err)
				} else {
					r.unmakeStale(ctx, a, actor)
				}
				r.actors[key] = actor
			}
		})
	}
	r.link(ctx)
	for ; pending > 0; pending-- {
		(<-ends)()
		r.link(ctx)
	}
}

// wish is a link that the file asks for.
type wish struct {
	actor    nodefile.Actor
	provider nodefile.Provider
	put      LinkPut // Provider is empty where it has not started
}

// wishes are the links of an actor that runs, as far as their providers have settled.
func (r *application) wishes(a nodefile.Actor, started *startedActor) (list []wish) {
	links, _ := r.file.Links(a, started.caps)
	for _, k := range links {
		provider, settled := r.providers[entry(k.Provider)]
		if !settled {
			continue
		}
		w := wish{a, k.Provider, LinkPut{Actor: string(started.scale.ID), ContractID: k.Provider.Contract,
			LinkName: k.Provider.LinkName, Values: k.Values}}
		if provider != nil {
			w.put.Provider = string(provider.ID)
		}
		list = append(list, w)
	}
	return list
}

// link makes the links whose ends have settled since.
func (r *application) link(ctx context.Context) {
	for _, a := range r.file.Actors {
		started := r.actors[entry(a)]
		if started == nil {
			continue
		}
		for _, w := range r.wishes(a, started) {
			key := entry(w.put)
			if _, had := r.out.done[key]; had {
				continue
			}
			if link, ok := r.before[key].(*Link); ok {
				r.out.done[key] = link
				continue
			}
			r.putLink(ctx, key, w)
		}
	}
}

// putLink notes the outcome under key. A provider that did not start has no id, and its links fail with it.
func (r *application) putLink(ctx context.Context, key string, w wish) {
	var link *Link
	err := error(&lattice.Error{Code: lattice.ErrUnavailable, Detail: "the provider did not start"})
	if w.put.Provider != "" {
		ctx, cancel := bound(ctx)
		defer cancel()
		link, err = r.PutLink(ctx, w.put)
	}
	if link != nil {
		link.ActorName = w.actor.Name
	}
	r.out.done[key] = failedLink{link, err}
	if err == nil {
		r.out.done[key] = link
	}
}

// failedLink is a link that was put and refused, or has no provider. The next try puts it again.
type failedLink struct {
	link *Link // nil where nothing is stored
	err  error
}

// unmakeStale deletes links that the file once made for an actor by this name, and no longer does: it has other claims,
// or another key.
func (r *application) unmakeStale(ctx context.Context, a nodefile.Actor, started *startedActor) {
	links, _ := r.file.Links(a, started.caps)
	for _, m := range r.made {
		if m.Actor == a.Name && !(m.ActorID == started.scale.ID &&
			slices.ContainsFunc(links, func(k nodefile.Link) bool {
				return k.Provider.Contract == m.ContractID && k.Provider.LinkName == m.LinkName
			})) {
			r.unmake(ctx, m)
		}
	}
}

// unmake deletes a link that a file no longer makes. One whose actor runs on another host is left alone: it is that
// one's, too.
func (r *application) unmake(ctx context.Context, m Made) {
	ctx, cancel := bound(ctx)
	defer cancel()
	gone := func(m Made) { r.out.made = slices.DeleteFunc(r.out.made, func(x Made) bool { return x == m }) }
	v, err := r.View(ctx)
	if err == nil {
		for _, on := range v.Running(m.ActorID) {
			if on.Host.HostID != r.host {
				gone(m)
				return
			}
		}
		r.step(fmt.Sprintf("deleting the link of %s for %s, which left the file", v.ActorName(m.ActorID),
			m.ContractID), "")
		err = r.accepted(ctx, func(ctx context.Context) error {
			return r.ctl.DelLink(ctx, control.RemoveLinkRequest{ActorID: m.ActorID, ContractID: m.ContractID,
				LinkName: m.LinkName})
		})
	}
	if err == nil {
		gone(m)
	} else {
		r.fail(0, fmt.Sprintf("link of actor %s for %s, which left the file", m.Actor, m.ContractID), err)
	}
}

// sum tells what became of everything, in the order of the file.
func (r *application) sum(ctx context.Context) *Applied {
	out := r.out
	out.Providers, out.Actors, out.Links = []ProviderState{}, []ActorScale{}, []Link{}
	for _, p := range r.file.Providers {
		if state := r.providers[entry(p)]; state != nil {
			out.Providers, out.done[entry(p)] = append(out.Providers, *state), state
		}
	}
	for _, a := range r.file.Actors {
		started := r.actors[entry(a)]
		if started == nil {
			continue
		}
		out.Actors, out.done[entry(a)] = append(out.Actors, started.scale), started
		_, missing := r.file.Links(a, started.caps)
		for _, contract := range missing {
			out.Warnings = append(out.Warnings,
				fmt.Sprintf("actor %s wants %s, but the file links it to no such provider", a.Name, contract))
		}
		for _, w := range r.wishes(a, started) {
			key := entry(w.put)
			// what stood in the way may have gone since
			if k, refused := out.done[key].(failedLink); refused && lattice.CodeOf(k.err) == lattice.ErrConflict {
				r.putLink(ctx, key, w)
			}
			switch k := out.done[key].(type) {
			case *Link:
				out.Links = append(out.Links, *k)
			case failedLink:
				r.fail(a.Line, "link of actor "+a.Name+" to "+w.provider.Name, k.err)
				if k.link != nil {
					out.Links = append(out.Links, *k.link)
				}
			}
		}
	}
	slices.SortStableFunc(r.failed, func(a, b nodefile.Problem) int { return a.Line - b.Line })
	for _, p := range r.failed {
		out.Failed = append(out.Failed, p.String())
	}
	return out
}

func (r *application) prepareProvider(ctx context.Context, s *Signer, p nodefile.Provider, on Where) (ProviderStart,
	error) {
	if p.Missing != "" {
		return ProviderStart{}, errors.New(p.Missing)
	}
	ref := strings.TrimPrefix(p.Ref, image.BuiltinScheme)
	if ref == p.Ref {
		var err error
		if ref, err = r.PushProvider(ctx, s, ref, ProviderPack{}, ProviderPack{ContractID: p.Contract}); err != nil {
			return ProviderStart{}, err
		}
	}
	return ProviderStart{Ref: ref, LinkName: p.LinkName, Where: on}, nil
}

// actorPlan is what it takes to start an actor of a file.
type actorPlan struct {
	start  ActorStart
	claims *signing.ActorClaims // nil where only hosts can read them
}

// prepareActor signs and pushes an actor of a file. One without claims or project file may use what the file has
// providers for.
func (r *application) prepareActor(ctx context.Context, s *Signer, a nodefile.Actor, on Where) (actorPlan, error) {
	if a.Missing != "" {
		return actorPlan{}, errors.New(a.Missing)
	}
	caps := []lattice.ContractID{logging.ID, numbergen.ID}
	for _, p := range r.file.Providers {
		caps = append(caps, p.Contract)
	}
	ref, m, err := r.PushActor(ctx, s, a.Ref, SignRequest{Name: a.Name, DefaultCaps: caps})
	if err != nil {
		return actorPlan{}, err
	}
	plan := actorPlan{start: ActorStart{Ref: ref, Max: uint32(a.Replicas), Where: on, Config: a.Config,
		Limits: control.ActorLimits{Fuel: a.Fuel, Instances: a.Instances, RecycleCalls: a.RecycleCalls,
			RecycleMemoryBytes: a.RecycleMemory}}}
	if m != nil {
		plan.start.ID, plan.claims = m.Claims.Subject, m.Claims
	}
	return plan, nil
}

// startActor starts an actor and finds out what it may use: from its file, or else from what the lattice knows by then.
func (r *application) startActor(ctx context.Context, a nodefile.Actor, plan actorPlan) (*startedActor, error) {
	scale, err := r.StartActor(ctx, plan.start)
	if err != nil {
		return nil, err
	}
	scale.Name = a.Name
	if plan.claims != nil {
		return &startedActor{*scale, plan.claims.Caps}, nil
	}
	v, err := r.View(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range v.Claims {
		if c.Subject == string(scale.ID) {
			return &startedActor{*scale, c.Caps}, nil
		}
	}
	return &startedActor{scale: *scale}, nil
}
