package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/linkvalue"
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
	ContractID   lattice.ContractID `json:"contract_id"`
	LinkName     lattice.LinkName   `json:"link_name"`
	Values       map[string]string  `json:"values"`
	State        string             `json:"state"`
	Error        string             `json:"error,omitempty"`
	Since        time.Time          `json:"since,omitzero"` // of wire.LinkAway
	// Refused says why the provider has not taken Values, although the link is active or away: it goes on with those
	// that it had.
	Refused string `json:"refused,omitempty"`
	// in how many milliseconds what was refused is tried again; 0 for never
	RetryMS  int64    `json:"retry_ms,omitempty"`
	Warnings []string `json:"warnings,omitempty"` // of a put: what will not work as it is, or was not looked at

	checked bool // the provider refuses values that it does not know
}

// Target returns the actor that serves the link; false: a provider does.
func (l Link) Target() (lattice.ActorID, bool) {
	return wire.LinkDefinition{ProviderID: l.ProviderID}.Actor()
}

// toActor finds the state of a link that an actor serves.
func (v *View) toActor(l *Link, target lattice.ActorID) {
	side := func(id lattice.ActorID) typed.Side {
		return typed.Side{Name: v.ActorName(id), Surface: v.interfaces(id)}
	}
	l.Error = typed.Misfit(l.ContractID, side(l.ActorID), side(target))
	switch {
	case l.Error != "":
		l.State = wire.LinkFailed
	case v.runs(target):
		l.State = wire.LinkActive
	default:
		l.State = LinkPending
		l.Error = v.ActorName(target) + " runs on no host; start it with: weft actor start REFERENCE"
	}
	if v.interfaces(l.ActorID) == "" || v.interfaces(target) == "" {
		l.Warnings = append(l.Warnings, "the types have not been checked: "+
			"one of the actors has not been started, or is no component; they are when it starts")
	}
}

// Summary is the state in words.
func (l Link) Summary() string {
	if l.Refused != "" {
		return l.State + " (new values refused)"
	}
	return l.State
}

// Problem says why the link is not as it should be, and when that is tried again; it is empty where all is well.
func (l Link) Problem() string {
	text := cmp.Or(l.Error, l.Refused)
	if l.Error != "" && l.Refused != "" {
		text += "; new values were refused: " + l.Refused
	}
	if text != "" && l.RetryMS > 0 {
		text += "; next try in " + (time.Duration(l.RetryMS) * time.Millisecond).Round(100*time.Millisecond).String()
	}
	return text
}

func (v *View) link(d wire.LinkDefinition) Link {
	l := Link{ID: d.ID(), ActorID: d.ActorID, ProviderID: d.ProviderID, ContractID: d.ContractID,
		LinkName: d.LinkName, Values: d.Values, State: LinkPending}
	if l.Values == nil {
		l.Values = map[string]string{}
	}
	if n := v.ActorName(l.ActorID); n != string(d.ActorID) {
		l.ActorName = n
	}
	if n := v.ProviderName(l.ProviderID); n != string(d.ProviderID) {
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
	if err := l.accepted(ctx, func(ctx context.Context) (err error) {
		defs, err = l.ctl.Links(ctx)
		return err
	}); err != nil {
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
		if target, ok := d.Actor(); ok {
			v.toActor(&link, target)
			link.Warnings = nil
		} else if running := len(v.Processes(link.ProviderID, link.LinkName)); running > 0 {
			p := process{link.ProviderID, link.LinkName}
			if _, ok := asked[p]; !ok {
				asked[p] = l.linkStates(ctx, p.id, p.link, running)
			}
			_ = asked[p].tell(&link)
			link.Error, link.Refused = v.explain(link.Error, link), v.explain(link.Refused, link)
		} else {
			link.Error = fmt.Sprintf("no process of %s serves link name %s; start one with: weft provider start",
				v.ProviderName(d.ProviderID), link.LinkName)
		}
		links = append(links, link)
	}
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.ActorName, b.ActorName), cmp.Compare(a.ActorID, b.ActorID),
			cmp.Compare(a.ContractID, b.ContractID), cmp.Compare(a.LinkName, b.LinkName))
	})
	return links, nil
}

// LinkPut is a link to make. Names will do for actor and provider.
type LinkPut struct {
	Actor, Provider string             // Provider may be an actor that exports the interface ContractID
	ContractID      lattice.ContractID // empty: that of the provider, or the only interface that fits both actors
	LinkName        lattice.LinkName
	Values          map[string]string
}

// PutLink stores a link and waits until the provider has it: active, or failed, which is an error that says why. A link
// to a provider that does not run is pending, which is not an error: provider and link may come in any order.
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
	provider, err := v.serving(&r, actor)
	if err != nil {
		return nil, err
	}
	def := wire.LinkDefinition{ActorID: actor, ProviderID: provider, LinkName: cmp.Or(r.LinkName, lattice.DefaultLink),
		ContractID: cmp.Or(r.ContractID, v.Contract(provider)), Values: r.Values}
	if def.ContractID == "" {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "put link to", Entity: r.Provider,
			Detail: "its contract is not known in the lattice; give it as the third argument"}
	}
	if known := v.Contract(provider); known != "" && known != def.ContractID {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "put link to", Entity: r.Provider,
			Detail: fmt.Sprintf("its contract is %s, not %s; values are given as key=value", known,
				lattice.Printable(def.ContractID))}
	}
	link := v.link(def)
	target, toActor := def.Actor()
	if !toActor {
		link.Warnings, err = l.checkValues(v, def)
	}
	if err != nil {
		return nil, err
	}
	l.tellReplaced(ctx, v, def)
	events, err := event.Subscribe(ctx, l.nc, l.Name(), event.NameLinkSet)
	if err != nil {
		return nil, err
	}
	defer events.Close()
	l.step("putting link", "")
	if err := l.accepted(ctx, func(ctx context.Context) error { return l.ctl.PutLink(ctx, def) }); err != nil {
		if lattice.CodeOf(err) == lattice.ErrUnavailable { // what the provider lacks, not this command
			err = told(lattice.ErrUnavailable.Name(), err.Error())
		}
		return nil, l.alsoAway(ctx, link, len(v.Processes(link.ProviderID, link.LinkName)), v.explained(err, link))
	}
	if toActor {
		err = waitLinkSet(ctx, events, def.ID())
		v.toActor(&link, target)
	}
	processes := v.Processes(link.ProviderID, link.LinkName)
	if !l.cfg.NoWait && len(processes) > 0 {
		l.step("waiting for the provider", v.HostName(processes[0].Host.HostID))
		if err = waitLinkSet(ctx, events, def.ID()); err == nil {
			err = v.explained(l.awaitLink(ctx, &link, len(processes)), link)
		}
	}
	if !link.checked && len(def.Values) > 0 && !l.knows(v, def) && !toActor {
		link.Warnings = append(link.Warnings, "nobody has checked the names of the values: "+v.ProviderName(provider)+
			" may ignore those that it does not know")
	}
	for _, w := range link.Warnings {
		l.step("warning: "+w, "")
	}
	return &link, err
}

// serving finds what a link is to be served by, and its interface where an actor serves it.
func (v *View) serving(r *LinkPut, from lattice.ActorID) (lattice.ProviderID, error) {
	if contract := typed.Contract(string(r.ContractID)); contract.IsInterface() {
		id, err := v.Actor(r.Provider)
		if err == nil {
			err = v.exports(id, string(r.ContractID))
		}
		r.ContractID = contract
		return lattice.ProviderID(id), err
	}
	provider, err := v.Provider(r.Provider)
	if err == nil || r.ContractID != "" || !v.isActor(r.Provider) {
		return provider, err
	}
	id, err := v.Actor(r.Provider)
	if err != nil {
		return "", err
	}
	have := typed.Contracts(v.Surface(id).Exports)
	both := slices.DeleteFunc(typed.Contracts(v.Surface(from).Imports), func(c lattice.ContractID) bool {
		return !slices.Contains(have, c)
	})
	if len(both) != 1 {
		return "", &lattice.Error{Code: lattice.ErrInvalid, Op: "put link to", Entity: r.Provider,
			Detail: fmt.Sprintf("that is an actor; give the interface as the third argument, as acme:edge/filter (%s)",
				cmp.Or(strings.Join(lattice.Texts(both), " or "), "hosts know none that "+v.ActorName(from)+
					" imports and it exports"))}
	}
	r.ContractID = both[0]
	return lattice.ProviderID(id), nil
}

// exports checks that an actor exports an interface in a version that fits the one that was said, as far as hosts tell.
// Links are for all versions; one that is said is what its speaker relies on.
func (v *View) exports(id lattice.ActorID, face string) error {
	var others []string
	for _, f := range v.Surface(id).Exports {
		if typed.Compatible(f.Interface, face) {
			return nil
		}
		if typed.Contract(f.Interface) == typed.Contract(face) && !slices.Contains(others, f.Interface) {
			others = append(others, f.Interface)
		}
	}
	if len(others) == 0 { // typed.Misfit looks for the interface itself
		return nil
	}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "link", Entity: lattice.Printable(face),
		Detail: fmt.Sprintf("%s exports %s; say that version, or none", v.ActorName(id), strings.Join(others, ", "))}
}

// Waiting are the interfaces that an actor imports from other actors and has no link for, as far as hosts tell.
func (l *Lattice) Waiting(ctx context.Context, id lattice.ActorID) ([]lattice.ContractID, error) {
	claims, err := l.ctl.Claims(ctx)
	if err != nil {
		return nil, err
	}
	contracts := typed.Contracts((&View{Claims: claims}).Surface(id).Imports)
	if len(contracts) == 0 {
		return nil, nil
	}
	links, err := l.ctl.Links(ctx)
	return slices.DeleteFunc(contracts, func(c lattice.ContractID) bool {
		return slices.ContainsFunc(links, func(d wire.LinkDefinition) bool {
			return d.ActorID == id && d.ContractID == c
		})
	}), err
}

// knows reports whether weft knows the values of a link's provider, since that is built in.
func (l *Lattice) knows(v *View, def wire.LinkDefinition) bool {
	return slices.ContainsFunc(l.cfg.Builtins, func(b Builtin) bool { return b.ID == def.ProviderID }) &&
		linkvalue.Builtin(v.ProviderName(def.ProviderID)) != nil
}

// checkValues looks at what can be known of a link without its provider: values that a built-in one does not know, and
// a contract that the actor's claims do not name. The latter is a warning, since claims may come with the actor's next
// revision.
func (l *Lattice) checkValues(v *View, def wire.LinkDefinition) (warnings []string, err error) {
	if _, err := def.Route(); err != nil {
		return nil, err
	}
	if l.knows(v, def) {
		own := linkvalue.Values{}
		for k, value := range def.Values {
			if !strings.HasPrefix(k, wire.ReservedValues) {
				own[k] = value
			}
		}
		table := linkvalue.Builtin(v.ProviderName(def.ProviderID))
		if err := linkvalue.Join(table.Check(own)); err != nil {
			return nil, err
		}
		warnings = table.Missing(own)
	}
	for _, c := range v.Claims {
		if c.Subject == string(def.ActorID) && !slices.Contains(c.Caps, def.ContractID) {
			warnings = append(warnings, fmt.Sprintf("the claims of %s do not name %s, so its calls over the link are "+
				"refused; sign it with: --cap %s",
				v.ActorName(def.ActorID), def.ContractID, def.ContractID))
		}
	}
	return warnings, nil
}

// tellReplaced says that a link is about to leave another provider.
func (l *Lattice) tellReplaced(ctx context.Context, v *View, def wire.LinkDefinition) {
	have, err := l.ctl.Links(ctx)
	if err != nil {
		return
	}
	for _, k := range have {
		if k.ID() == def.ID() && k.ProviderID != def.ProviderID {
			text := "taking the place of " + v.ProviderName(k.ProviderID)
			if _, ok := def.Actor(); !ok {
				text += fmt.Sprintf(", which keeps the link until %s serves it", v.ProviderName(def.ProviderID))
			}
			l.step(text, "")
		}
	}
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
		if target, err := v.Actor(contract); err == nil && provider == "" {
			provider = lattice.ProviderID(target)
		}
		links = slices.DeleteFunc(links, func(k Link) bool {
			return k.ContractID != typed.Contract(contract) && k.ProviderID != provider
		})
	}
	switch {
	case len(links) == 0:
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "delete link of", Entity: v.ActorName(id),
			Detail: "there is none such; see: weft link list"}
	case len(links) > 1:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "delete link of", Entity: v.ActorName(id),
			Detail: fmt.Sprintf("it has several; name the contract: %s or %s", links[0].ContractID,
				links[1].ContractID)}
	}
	link := links[0]
	l.step("deleting link", "")
	err = l.accepted(ctx, func(ctx context.Context) error {
		return l.ctl.DelLink(ctx, control.RemoveLinkRequest{ActorID: id, ContractID: link.ContractID, LinkName: name})
	})
	link.State = "deleted"
	return &link, err
}
