package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/wire"
)

// What a link's provider says of it, besides wire.LinkActive, wire.LinkFailed and wire.LinkAway.
const (
	LinkPending = "pending" // the provider does not run, or has not got to it
	LinkUnknown = "unknown" // the provider runs but does not tell, as those of other hosts
)

// Link is a link with the names of its ends and its state.
type Link struct {
	ID           string             `json:"id"`
	ActorID      lattice.ActorID    `json:"actor_id"`
	ActorName    string             `json:"actor_name,omitempty"`
	ProviderID   lattice.ProviderID `json:"provider_id"`
	ProviderName string             `json:"provider_name,omitempty"`
	ContractID   string             `json:"contract_id"`
	LinkName     lattice.LinkName   `json:"link_name"`
	Values       map[string]string  `json:"values"`
	State        string             `json:"state"`
	Error        string             `json:"error,omitempty"`
	Since        time.Time          `json:"since,omitzero"` // of wire.LinkAway
}

func (v *View) link(d wire.LinkDefinition) Link {
	l := Link{ID: d.ID(), ActorID: lattice.ActorID(d.ActorID), ProviderID: lattice.ProviderID(d.ProviderID), ContractID: d.ContractID,
		LinkName: lattice.LinkName(d.LinkName), Values: d.Values, State: LinkPending}
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	if n := v.ActorName(l.ActorID); n != d.ActorID {
		l.ActorName = n
	}
	if n := v.ProviderName(l.ProviderID); n != d.ProviderID {
		l.ProviderName = n
	}
	return l
}

// Links lists all links with their state.
func (l *Lattice) Links(ctx context.Context) ([]Link, error) {
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.NeedHosts(); err != nil {
		return nil, err
	}
	var defs []wire.LinkDefinition
	if err := l.accepted(ctx, func(ctx context.Context) (err error) { defs, err = l.ctl.Links(ctx); return err }); err != nil {
		return nil, err
	}
	type process struct {
		id   lattice.ProviderID
		link lattice.LinkName
	}
	asked := map[process]linkStates{}
	links := []Link{}
	for _, d := range defs {
		link := v.link(d)
		if running := len(v.Processes(link.ProviderID, link.LinkName)); running > 0 {
			p := process{link.ProviderID, link.LinkName}
			if _, ok := asked[p]; !ok {
				asked[p] = l.linkStates(ctx, p.id, p.link, running)
			}
			asked[p].tell(&link)
		}
		links = append(links, link)
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.ActorName, b.ActorName), cmp.Compare(a.ActorID, b.ActorID), cmp.Compare(a.ContractID, b.ContractID), cmp.Compare(a.LinkName, b.LinkName))
	})
	return links, nil
}

// LinkPut is a link to make. Names will do for actor and provider.
type LinkPut struct {
	Actor, Provider string
	ContractID      string // empty: that of the provider
	LinkName        lattice.LinkName
	Values          map[string]string
}

// PutLink stores a link and waits until the provider has it: active, or failed, which is an error that says why. A link to
// a provider that does not run is pending, and no error: provider and link may come in any order.
func (l *Lattice) PutLink(ctx context.Context, r LinkPut) (*Link, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.NeedHosts(); err != nil {
		return nil, err
	}
	actor, err := v.Actor(r.Actor)
	if err != nil {
		return nil, err
	}
	provider, err := v.Provider(r.Provider)
	if err != nil {
		return nil, err
	}
	def := wire.LinkDefinition{ActorID: string(actor), ProviderID: string(provider), LinkName: string(cmp.Or(r.LinkName, lattice.DefaultLink)),
		ContractID: cmp.Or(r.ContractID, v.Contract(provider)), Values: r.Values}
	if def.ContractID == "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "put link to", Entity: r.Provider,
			Detail: "its contract is not known in the lattice; give it as the third argument"}
	}
	if known := v.Contract(provider); known != "" && known != def.ContractID {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "put link to", Entity: r.Provider,
			Detail: fmt.Sprintf("its contract is %s, not %s; values are given as key=value", known, lattice.Printable(def.ContractID))}
	}
	link := v.link(def)
	events, err := event.Subscribe(ctx, l.nc, l.Name(), event.NameLinkSet)
	if err != nil {
		return nil, err
	}
	defer events.Close()
	l.step("putting link", "")
	if err := l.accepted(ctx, func(ctx context.Context) error { return l.ctl.PutLink(ctx, def) }); err != nil {
		return nil, err
	}
	processes := v.Processes(link.ProviderID, link.LinkName)
	if l.cfg.NoWait || len(processes) == 0 {
		return &link, nil
	}
	l.step("waiting for the provider", v.HostName(processes[0].Host.HostID))
	if err := waitLinkSet(ctx, events, def.ID()); err != nil {
		return &link, err
	}
	return &link, l.awaitLink(ctx, &link, len(processes))
}

// DelLink deletes the link of an actor for a contract and link name; the contract may be given as the provider's name,
// and be empty when the actor has only one link of that name.
func (l *Lattice) DelLink(ctx context.Context, actor, contract string, name lattice.LinkName) (*Link, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	name = cmp.Or(name, lattice.DefaultLink)
	v, err := l.View(ctx)
	if err != nil {
		return nil, err
	}
	links, err := l.Links(ctx)
	if err != nil {
		return nil, err
	}
	id, err := v.Actor(actor)
	if err != nil {
		return nil, err
	}
	links = slices.DeleteFunc(links, func(k Link) bool { return k.ActorID != id || k.LinkName != name })
	if contract != "" {
		provider, err := v.Provider(contract)
		if lattice.CodeOf(err) == lattice.ErrInvalid { // several; or else it is a contract
			return nil, err
		}
		links = slices.DeleteFunc(links, func(k Link) bool { return k.ContractID != contract && k.ProviderID != provider })
	}
	switch {
	case len(links) == 0:
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "delete link of", Entity: v.ActorName(id), Detail: "there is none such; see: weft link list"}
	case len(links) > 1:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "delete link of", Entity: v.ActorName(id),
			Detail: "it has several; name the contract: " + links[0].ContractID + " or " + links[1].ContractID}
	}
	link := links[0]
	l.step("deleting link", "")
	err = l.accepted(ctx, func(ctx context.Context) error {
		return l.ctl.DelLink(ctx, control.RemoveLinkRequest{ActorID: id, ContractID: link.ContractID, LinkName: name})
	})
	link.State = "deleted"
	return &link, err
}
