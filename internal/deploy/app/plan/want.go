package plan

import (
	"fmt"
	"math"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// Unlimited as a number of instances is "as many as there are calls".
const Unlimited = math.MaxUint32

// Object identifies an actor, or a provider under a link name.
type Object struct {
	Actor    lattice.ActorID    // "" for a provider
	Provider lattice.ProviderID // "" for an actor
	LinkName lattice.LinkName   // of the provider
}

// IsActor reports whether it is an actor.
func (o Object) IsActor() bool { return o.Actor != "" }

// String is for people.
func (o Object) String() string {
	if o.IsActor() {
		return "actor " + string(o.Actor)
	}
	return fmt.Sprintf("provider %s (%s)", o.Provider, o.LinkName)
}

// less orders objects, so that equal input gives equal plans.
func (o Object) compare(p Object) int {
	switch a, b := o.String(), p.String(); {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Thing is an actor or a provider that an application wants.
type Thing struct {
	Object
	Name string // in the application, where it is unique
	// Ref is where hosts get the artifact, and Digest what the reference means.
	Ref, Digest string
	// Spec stands for all settings beside Ref and Digest: what runs under another one is updated.
	Spec   string
	Limits *control.ActorLimits
	Config map[string]string // of an actor; a provider's is Configuration
	// Configuration is a provider's text.
	Configuration string
	Memory        uint64 // bytes that a host must have free to be chosen; 0: any host
	Place         Placement
}

// Placement says how many instances of a thing there shall be, and where. A provider has one instance on a host.
type Placement struct {
	// Count is how many there are in all, or with Each on every host that fits. Unlimited is unlimited on every host.
	Count uint32
	Each  bool
	Where map[string]string // labels that a host must have
	// Spread divides Count among groups of hosts by weight. Empty: all hosts are one group. Hosts in two groups take a
	// share of both.
	Spread []Share
}

// Share is one group of hosts of a Placement.
type Share struct {
	Where  map[string]string
	Weight uint32 // beside those of the others; all being 0 is an equal weight for each
}

// quotas divides n by weight. What is left over by rounding goes to the heaviest first, one each.
func quotas(n uint32, shares []Share) []uint32 {
	var sum uint64
	for _, s := range shares {
		sum += uint64(s.Weight)
	}
	weight := func(i int) uint64 {
		if sum == 0 {
			return 1
		}
		return uint64(shares[i].Weight)
	}
	whole := max(sum, 1)
	if sum == 0 {
		whole = uint64(len(shares))
	}
	out := make([]uint32, len(shares))
	left := n
	for i := range shares {
		out[i] = uint32(uint64(n) * weight(i) / whole)
		left -= out[i]
	}
	for given := make([]bool, len(shares)); left > 0; left-- {
		best := -1
		for i := range shares {
			if !given[i] && weight(i) > 0 && (best < 0 || weight(i) > weight(best)) {
				best = i
			}
		}
		given[best] = true
		out[best]++
	}
	return out
}

// App is what an application wants. What has left it is not in there.
type App struct {
	Name   string
	Things []Thing
	Links  []wire.LinkDefinition // in which actors and providers are those of Things
}

// LinkKey identifies a link in a lattice.
type LinkKey struct {
	Actor    lattice.ActorID
	Contract lattice.ContractID
	Name     lattice.LinkName
}

// KeyOf is the key of a link.
func KeyOf(l wire.LinkDefinition) LinkKey { return LinkKey{l.ActorID, l.ContractID, l.LinkName} }

// ends are the two objects that a link joins.
func ends(l wire.LinkDefinition) (from, to Object) {
	from = Object{Actor: l.ActorID}
	if a, ok := l.Actor(); ok {
		return from, Object{Actor: a}
	}
	return from, Object{Provider: l.ProviderID, LinkName: l.LinkName}
}
