package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weftlattice/weft/deploy/nodefile"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/control"
)

// Applied is what became of a node's configuration file.
type Applied struct {
	Providers []ProviderState `json:"providers"`
	Actors    []ActorScale    `json:"actors"`
	Links     []Link          `json:"links"`
	Warnings  []string        `json:"warnings,omitempty"`
	Failed    []string        `json:"failed,omitempty"` // what could not be started, and why
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
	Actor      string           `json:"actor"` // its name in the file
	ActorID    lattice.ActorID  `json:"actor_id"`
	ContractID string           `json:"contract_id"`
	LinkName   lattice.LinkName `json:"link_name"`
}

// Made lists the links of the file.
func (a *Applied) Made() []Made {
	list := []Made{}
	for _, k := range a.Links {
		list = append(list, Made{k.ActorName, k.ActorID, k.ContractID, k.LinkName})
	}
	return list
}

// Apply starts what a node's configuration file names on one host: providers, actors, links. Doing it twice is as good as
// once. What can not be started is in Failed with its reason, and the rest is done all the same; the error is then not nil, and doing
// it again may help. made is what the file had made before, by an earlier run: links that it no longer makes are deleted first, since
// they may stand in the way, unless their actor runs on another host. ctx bounds each step, not the whole.
func (l *Lattice) Apply(ctx context.Context, s *Signer, f *nodefile.File, host lattice.HostID, made []Made) (*Applied, error) {
	out := &Applied{Providers: []ProviderState{}, Actors: []ActorScale{}, Links: []Link{}}
	var failed error
	fail := func(what string, err error) {
		out.Failed = append(out.Failed, what+": "+err.Error())
		failed = errors.Join(failed, fmt.Errorf("%s: %w", what, err))
	}
	on := Where{Host: string(host)}
	ids := map[string]lattice.ProviderID{} // by reference and link name
	for _, p := range f.Providers {
		state, err := l.applyProvider(ctx, s, p, on)
		if err != nil {
			fail("provider "+p.Name, err)
			continue
		}
		ids[p.Ref+" "+string(p.LinkName)] = state.ID
		out.Providers = append(out.Providers, *state)
	}
	type wish struct {
		actor nodefile.Actor
		put   LinkPut
		to    string
	}
	var wishes []wish
	unknown := map[string]bool{} // actors of the file whose keys and links are not known
	for _, a := range f.Actors {
		if a.Replicas == 0 {
			continue
		}
		scale, caps, err := l.applyActor(ctx, s, f, a, on)
		if err != nil {
			fail("actor "+a.Name, err)
			unknown[a.Name] = true
			continue
		}
		out.Actors = append(out.Actors, *scale)
		links, missing := f.Links(a, caps)
		for _, contract := range missing {
			out.Warnings = append(out.Warnings, fmt.Sprintf("actor %s wants %s, but the file links it to no such provider", a.Name, contract))
		}
		for _, k := range links {
			wishes = append(wishes, wish{a, LinkPut{Actor: string(scale.ID), Provider: string(ids[k.Provider.Ref+" "+string(k.Provider.LinkName)]),
				ContractID: k.Provider.Contract, LinkName: k.Provider.LinkName, Values: k.Values}, k.Provider.Name})
		}
	}
	for _, m := range made {
		kept := slices.ContainsFunc(wishes, func(w wish) bool {
			return w.put.Actor == string(m.ActorID) && w.put.ContractID == m.ContractID && w.put.LinkName == m.LinkName
		})
		if kept || unknown[m.Actor] {
			continue
		}
		if err := l.unmake(ctx, m, host); err != nil {
			fail("link of actor "+string(m.ActorID)+" for "+m.ContractID+", which left the file", err)
		}
	}
	for _, w := range wishes {
		what := "link of actor " + w.actor.Name + " to " + w.to
		if w.put.Provider == "" {
			fail(what, &lattice.Error{Code: lattice.ErrUnavailable, Detail: "the provider did not start"})
			continue
		}
		link, err := l.PutLink(ctx, w.put)
		if err != nil {
			fail(what, err)
		}
		if link != nil {
			link.ActorName = w.actor.Name
			out.Links = append(out.Links, *link)
		}
	}
	return out, failed
}

func (l *Lattice) applyProvider(ctx context.Context, s *Signer, p nodefile.Provider, on Where) (*ProviderState, error) {
	ref := strings.TrimPrefix(p.Ref, nodefile.BuiltinScheme)
	if ref == p.Ref {
		var err error
		if ref, err = l.PushProvider(ctx, s, ref, ProviderPack{ContractID: p.Contract}); err != nil {
			return nil, err
		}
	}
	return l.StartProvider(ctx, ProviderStart{Ref: ref, LinkName: p.LinkName, Where: on})
}

// unmake deletes a link that a file no longer makes. One whose actor runs on another host is left alone: it is that one's, too.
func (l *Lattice) unmake(ctx context.Context, m Made, host lattice.HostID) error {
	v, err := l.View(ctx)
	if err != nil {
		return err
	}
	for _, on := range v.Running(m.ActorID) {
		if on.Host.HostID != host {
			return nil
		}
	}
	l.step("deleting the link of "+v.ActorName(m.ActorID)+" for "+m.ContractID+", which left the file", "")
	return l.accepted(ctx, func(ctx context.Context) error {
		return l.ctl.DelLink(ctx, control.RemoveLinkRequest{ActorID: m.ActorID, ContractID: m.ContractID, LinkName: m.LinkName})
	})
}

// applyActor starts an actor of a file. One without claims or project file may use what the file has providers for.
func (l *Lattice) applyActor(ctx context.Context, s *Signer, f *nodefile.File, a nodefile.Actor, on Where) (*ActorScale, []string, error) {
	caps := []string{logging.ID, numbergen.ID}
	for _, p := range f.Providers {
		caps = append(caps, p.Contract)
	}
	ref, m, err := l.PushActor(ctx, s, a.Ref, SignRequest{Name: a.Name, DefaultCaps: caps})
	if err != nil {
		return nil, nil, err
	}
	start := ActorStart{Ref: ref, Max: uint32(a.Replicas), Where: on, Config: a.Config,
		Limits: control.ActorLimits{Fuel: a.Fuel, Instances: a.Instances, RecycleCalls: a.RecycleCalls, RecycleMemoryBytes: a.RecycleMemory}}
	if m != nil {
		start.ID = m.Claims.Subject
	}
	scale, err := l.StartActor(ctx, start)
	if err != nil {
		return nil, nil, err
	}
	scale.Name = a.Name
	if m != nil {
		return scale, m.Claims.Caps, nil
	}
	v, err := l.View(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range v.Claims {
		if c.Subject == string(scale.ID) {
			return scale, c.Caps, nil
		}
	}
	return scale, nil, nil
}
