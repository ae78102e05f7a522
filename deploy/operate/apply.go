package operate

import (
	"context"
	"errors"
	"fmt"
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
	return b.String()
}

// Apply starts what a node's configuration file names on one host: providers, actors, links. Doing it twice is as good as
// once. A link that its provider can not use is an error, but the rest is done first. ctx bounds each step, not the whole.
func (l *Lattice) Apply(ctx context.Context, s *Signer, f *nodefile.File, host lattice.HostID) (*Applied, error) {
	out := &Applied{Providers: []ProviderState{}, Actors: []ActorScale{}, Links: []Link{}}
	on := Where{Host: string(host)}
	ids := map[string]lattice.ProviderID{} // by reference and link name
	for _, p := range f.Providers {
		ref := strings.TrimPrefix(p.Ref, nodefile.BuiltinScheme)
		if ref == p.Ref {
			var err error
			if ref, err = l.PushProvider(ctx, s, ref, ProviderPack{ContractID: p.Contract}); err != nil {
				return out, fmt.Errorf("provider %s: %w", p.Name, err)
			}
		}
		state, err := l.StartProvider(ctx, ProviderStart{Ref: ref, LinkName: p.LinkName, Where: on})
		if err != nil {
			return out, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		ids[p.Ref+" "+string(p.LinkName)] = state.ID
		out.Providers = append(out.Providers, *state)
	}
	var failed error
	for _, a := range f.Actors {
		if a.Replicas == 0 {
			continue
		}
		scale, caps, err := l.applyActor(ctx, s, f, a, on)
		if err != nil {
			return out, fmt.Errorf("actor %s: %w", a.Name, err)
		}
		out.Actors = append(out.Actors, *scale)
		links, missing := f.Links(a, caps)
		for _, contract := range missing {
			out.Warnings = append(out.Warnings, fmt.Sprintf("actor %s wants %s, but the file links it to no such provider", a.Name, contract))
		}
		for _, k := range links {
			link, err := l.PutLink(ctx, LinkPut{Actor: string(scale.ID), Provider: string(ids[k.Provider.Ref+" "+string(k.Provider.LinkName)]),
				ContractID: k.Provider.Contract, LinkName: k.Provider.LinkName, Values: k.Values})
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("link of actor %s to %s: %w", a.Name, k.Provider.Name, err))
			}
			if link != nil {
				out.Links = append(out.Links, *link)
			}
		}
	}
	return out, failed
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
