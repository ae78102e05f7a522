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
)

// askAll is how long hosts have to answer a question to all of them; silence is an answer too.
const askAll = 2 * time.Second

// View is what a lattice looked like a moment ago.
type View struct {
	Hosts  []control.HostInventory // sorted by id
	Claims []control.Claims

	builtins []Builtin
	lattice  lattice.Name
	late     func() []control.HostInventory                // asks for hosts that answer late; nil: all have answered
	lost     func() []control.LostHost                     // asks which hosts are missed; nil: not known
	trusts   func() map[lattice.HostID][]lattice.ClusterID // asks hosts which cluster keys they trust; nil: not known
}

// View asks all hosts. A lattice without hosts gives an empty view and no error.
func (l *Lattice) View(ctx context.Context) (*View, error) {
	v := &View{builtins: l.cfg.Builtins, lattice: l.Name()}
	v.late = func() []control.HostInventory { return l.late(ctx, v) }
	v.lost = func() []control.LostHost { return l.Lost(ctx, v) }
	v.trusts = func() map[lattice.HostID][]lattice.ClusterID { return l.trusted(ctx) }
	asking, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	var err error
	v.Hosts, err = l.ctl.Inventories(asking)
	switch {
	case len(v.Hosts) > 0: // a host that does not answer is one that is not there
	case lattice.CodeOf(err) == lattice.ErrNoResponders:
		return v, nil
	case err != nil:
		return nil, err
	}
	slices.SortFunc(v.Hosts, func(a, b control.HostInventory) int { return cmp.Compare(a.HostID, b.HostID) })
	claims, cancel := context.WithTimeout(ctx, askAll) // a host that does not answer has taken all of the other time
	defer cancel()
	if v.Claims, err = l.ctl.Claims(claims); err != nil && lattice.CodeOf(err) != lattice.ErrNoResponders {
		return nil, err
	}
	return v, nil
}

// late asks for the hosts that are not in a view, since they answered later than the others.
func (l *Lattice) late(ctx context.Context, v *View) []control.HostInventory {
	asking, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	hosts, _ := l.ctl.Patient().PingHosts(asking) // silence is an answer
	var late []control.HostInventory
	for _, h := range hosts {
		if slices.ContainsFunc(v.Hosts, func(x control.HostInventory) bool { return x.HostID == h.ID }) {
			continue
		}
		if inv, err := l.ctl.Inventory(ctx, h.ID); err == nil {
			late = append(late, inv)
		}
	}
	return late
}

// Lost asks the hosts of a view which others they miss: those whose beats have ended though they have not said that
// they end. They are remembered for ten minutes.
func (l *Lattice) Lost(ctx context.Context, v *View) []control.LostHost {
	ctx, cancel := context.WithTimeout(ctx, askAll)
	defer cancel()
	alive := make([]lattice.HostID, len(v.Hosts))
	for i, h := range v.Hosts {
		alive[i] = h.HostID
	}
	return l.ctl.LostHosts(ctx, alive)
}

// NeedHosts is an error when the lattice has no host.
func (v *View) NeedHosts() error {
	if len(v.Hosts) > 0 {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "find a host in lattice", Entity: string(v.lattice),
		Detail: "none answers; start one with: weft up, or: weft host run"}
}

// Host finds a host by id, friendly name or the beginning of its id. See Resolve. Of one that is lost the error,
// lattice.ErrNotFound, says since when.
func (v *View) Host(query string) (control.HostInventory, error) {
	if err := v.NeedHosts(); err != nil {
		return control.HostInventory{}, err
	}
	find := func() (Candidate, error) {
		var all []Candidate
		for _, h := range v.Hosts {
			all = append(all, Candidate{string(h.HostID), []string{h.FriendlyName}})
		}
		return Resolve("host", query, all)
	}
	c, err := find()
	if lattice.CodeOf(err) == lattice.ErrNotFound && v.lost != nil {
		if lost := isLost(query, v.lost()); lost != nil {
			return control.HostInventory{}, lost
		}
	}
	if lattice.CodeOf(err) == lattice.ErrNotFound && v.late != nil {
		v.Hosts = append(v.Hosts, v.late()...)
		v.late = nil
		c, err = find()
	}
	if err != nil {
		return control.HostInventory{}, err
	}
	i := slices.IndexFunc(v.Hosts, func(h control.HostInventory) bool { return string(h.HostID) == c.ID })
	return v.Hosts[i], nil
}

// isLost is the error of a lost host that query means, or nil.
func isLost(query string, lost []control.LostHost) error {
	var all []Candidate
	for _, h := range lost {
		all = append(all, Candidate{string(h.HostID), []string{h.FriendlyName}})
	}
	c, err := Resolve("host", query, all)
	if err != nil {
		return nil
	}
	h := lost[slices.IndexFunc(lost, func(h control.LostHost) bool { return string(h.HostID) == c.ID })]
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find host", Entity: lattice.Printable(query),
		Detail: fmt.Sprintf(
			"it is lost since %s, %s ago, when the others heard it last; what ran there: weft host list",
			h.LastHeard.Local().Format(time.DateTime), max(0, time.Since(h.LastHeard)).Round(time.Second))}
}

// HostName is the friendly name of a host, its id when it has none.
func (v *View) HostName(id lattice.HostID) string {
	for _, h := range v.Hosts {
		if h.HostID == id && h.FriendlyName != "" {
			return h.FriendlyName
		}
	}
	return string(id)
}

// Actor finds an actor by id, name, call alias or the beginning of its id, first among those that run, then among those
// that the lattice remembers. See Resolve. A whole id is taken as it is, since an actor may be linked before it is
// started.
func (v *View) Actor(query string) (lattice.ActorID, error) {
	if id, err := lattice.ParseActorID(query); err == nil {
		return id, nil
	}
	var all []Candidate
	for _, h := range v.Hosts {
		for _, a := range h.Actors {
			all = append(all, Candidate{string(a.ID), []string{a.Name}})
		}
	}
	running := len(all)
	for _, c := range v.Claims {
		if !c.IsProvider() {
			all = append(all, Candidate{c.Subject, []string{c.Name, c.CallAlias}})
		}
	}
	c, err := resolveRunning("actor", query, all, running)
	if lattice.CodeOf(err) == lattice.ErrNotFound && v.isProvider(query) {
		err = otherNoun("actor", "provider", query)
	}
	return lattice.ActorID(c.ID), err
}

// isProvider and isActor report whether a name or an id is one of that kind, whether it runs or not.
func (v *View) isProvider(query string) bool {
	for _, b := range v.builtins {
		if strings.EqualFold(query, b.Name) {
			return true
		}
	}
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			if query == string(p.ID) || query == string(p.ContractID) || query != "" &&
				strings.EqualFold(query, p.Name) {
				return true
			}
		}
	}
	return v.isClaimed(query, true)
}

func (v *View) isActor(query string) bool {
	for _, h := range v.Hosts {
		for _, a := range h.Actors {
			if query == string(a.ID) || query != "" && strings.EqualFold(query, a.Name) {
				return true
			}
		}
	}
	return v.isClaimed(query, false)
}

func (v *View) isClaimed(query string, provider bool) bool {
	return slices.ContainsFunc(v.Claims, func(c control.Claims) bool {
		return c.IsProvider() == provider && query != "" && (c.Subject == query || strings.EqualFold(c.Name, query))
	})
}

// otherNoun tells that something was found, but is of another kind.
func otherNoun(want, have, query string) error {
	article := map[string]string{"actor": "an actor", "provider": "a provider"}
	return &lattice.Error{Code: lattice.ErrNotFound, Op: "find " + want, Entity: lattice.Printable(query),
		Detail: fmt.Sprintf("that is %s; see: weft %s --help", article[have], have)}
}

// Provider finds a provider by id, name, contract or the beginning of its id, first among those that run, then among
// those that are built in or remembered. A whole id is taken as it is.
func (v *View) Provider(query string) (lattice.ProviderID, error) {
	if id, err := lattice.ParseProviderID(query); err == nil {
		return id, nil
	}
	var all []Candidate
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			all = append(all, Candidate{string(p.ID), []string{v.ProviderName(p.ID), p.Name, string(p.ContractID)}})
		}
	}
	running := len(all)
	for _, b := range v.builtins {
		all = append(all, Candidate{string(b.ID), []string{b.Name}})
	}
	for _, c := range v.Claims {
		if c.IsProvider() {
			all = append(all, Candidate{c.Subject, []string{c.Name}})
		}
	}
	c, err := resolveRunning("provider", query, all, running)
	if lattice.CodeOf(err) == lattice.ErrNotFound && v.isActor(query) {
		err = otherNoun("provider", "actor", query)
	}
	return lattice.ProviderID(c.ID), err
}

// resolveRunning looks among the first n of all, which run, and then among all.
func resolveRunning(what, query string, all []Candidate, n int) (Candidate, error) {
	c, err := Resolve(what, query, merge(all[:n]))
	if lattice.CodeOf(err) == lattice.ErrNotFound {
		return Resolve(what, query, merge(all))
	}
	return c, err
}

// merge joins the names of candidates with one id.
func merge(all []Candidate) []Candidate {
	var out []Candidate
	for _, c := range all {
		i := slices.IndexFunc(out, func(o Candidate) bool { return o.ID == c.ID })
		if i < 0 {
			out = append(out, c)
			continue
		}
		for _, n := range c.Names {
			if !slices.Contains(out[i].Names, n) {
				out[i].Names = append(out[i].Names, n)
			}
		}
	}
	return out
}

// ActorName is the name of an actor, or its id.
func (v *View) ActorName(id lattice.ActorID) string {
	for _, h := range v.Hosts {
		for _, a := range h.Actors {
			if a.ID == id && a.Name != "" {
				return a.Name
			}
		}
	}
	return v.claimedName(string(id))
}

// refs are the references that anything in the lattice was started from.
func (v *View) refs() []string {
	var refs []string
	for _, h := range v.Hosts {
		for _, x := range h.Actors {
			refs = append(refs, x.ImageRef)
		}
		for _, p := range h.Providers {
			refs = append(refs, p.ImageRef)
		}
	}
	return refs
}

// Surface is what an actor that is a component exports for others and imports from others, as far as hosts tell.
func (v *View) Surface(id lattice.ActorID) typed.Surface {
	return typed.ParseSurface(v.interfaces(id))
}

// Imports are the interfaces that an actor imports from other actors.
func (v *View) Imports(id lattice.ActorID) []lattice.ContractID {
	return typed.Contracts(v.Surface(id).Imports)
}

// interfaces is Surface as text.
func (v *View) interfaces(id lattice.ActorID) string {
	for _, c := range v.Claims {
		if c.Subject == string(id) {
			return c.Interfaces
		}
	}
	return ""
}

// ProviderName is the name of a provider: that of a built-in one, else from claims, else its id.
func (v *View) ProviderName(id lattice.ProviderID) string {
	for _, b := range v.builtins {
		if b.ID == id {
			return b.Name
		}
	}
	return v.claimedName(string(id))
}

func (v *View) claimedName(id string) string {
	for _, c := range v.Claims {
		if c.Subject == id && c.Name != "" {
			return c.Name
		}
	}
	return id
}

// Contract is the contract of a provider, or "".
func (v *View) Contract(id lattice.ProviderID) lattice.ContractID {
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			if p.ID == id && p.ContractID != "" {
				return p.ContractID
			}
		}
	}
	for _, c := range v.Claims {
		if c.Subject == string(id) && c.ContractID != "" {
			return c.ContractID
		}
	}
	for _, b := range v.builtins {
		if b.ID == id {
			return b.ContractID
		}
	}
	return ""
}

// ActorOn is an actor on a host.
type ActorOn struct {
	Host  control.HostInventory
	Actor control.Actor
}

// Running lists where an actor runs.
func (v *View) Running(id lattice.ActorID) []ActorOn {
	var out []ActorOn
	for _, h := range v.Hosts {
		for _, a := range h.Actors {
			if a.ID == id {
				out = append(out, ActorOn{h, a})
			}
		}
	}
	return out
}

// ProviderOn is a provider process on a host.
type ProviderOn struct {
	Host     control.HostInventory
	Provider control.Provider
}

// Processes lists where a provider runs; an empty link name means any.
func (v *View) Processes(id lattice.ProviderID, link lattice.LinkName) []ProviderOn {
	var out []ProviderOn
	for _, h := range v.Hosts {
		for _, p := range h.Providers {
			if p.ID == id && (link == "" || p.LinkName == link) {
				out = append(out, ProviderOn{h, p})
			}
		}
	}
	return out
}

// site describes a host as a place for an actor.
func site(h control.HostInventory, id lattice.ActorID) Site {
	const loadPerActor = 1024 // "unlimited" weighs no more than this
	s := Site{Host: h.HostID, Name: cmp.Or(h.FriendlyName, string(h.HostID)), Load: uint64(len(h.Providers))}
	for _, a := range h.Actors {
		n := Scale(a)
		s.Load += uint64(min(n, loadPerActor))
		if a.ID == id {
			s.Running = n
		}
	}
	return s
}

// Scale is how many calls an actor on a host may serve at once, over all annotations.
func Scale(a control.Actor) uint32 {
	var sum uint64
	for _, i := range a.Instances {
		sum += uint64(i.MaxInstances)
	}
	return uint32(min(sum, Unlimited))
}
