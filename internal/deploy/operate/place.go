package operate

import (
	"cmp"
	"math"
	"slices"

	"github.com/weftlattice/weft/lattice"
)

// Site is a host that instances of an actor may go to.
type Site struct {
	Host    lattice.HostID
	Name    string // friendly
	Running uint32 // instances of this actor there now
	Load    uint64 // instances of everything there now
}

// Placement is how many instances of an actor a host is to run.
type Placement struct {
	Site
	Max uint32
}

// Unlimited as a number of instances is "as many as there are calls".
const Unlimited = math.MaxUint32

// Spread divides n instances evenly over all sites. What is left over goes to those that run the actor already, those
// with most of it first, then to the least loaded; so dividing the same number again changes nothing. Sites that get
// none are part of the result only when they run the actor now, so that carrying out the result leaves n instances in
// total. Unlimited is unlimited everywhere.
func Spread(n uint32, sites []Site) []Placement {
	if len(sites) == 0 {
		return nil
	}
	sites = ordered(sites)
	each, rest := n/uint32(len(sites)), n%uint32(len(sites))
	if n == Unlimited {
		each, rest = n, 0
	}
	var out []Placement
	for i, s := range sites {
		max := each
		if uint32(i) < rest {
			max++
		}
		if max > 0 || s.Running > 0 {
			out = append(out, Placement{s, max})
		}
	}
	return out
}

// Best chooses the one site for an actor that is not to be spread: where it runs already, else the least loaded. It
// returns false without sites.
func Best(sites []Site) (Site, bool) {
	if len(sites) == 0 {
		return Site{}, false
	}
	return ordered(sites)[0], true
}

// ordered sorts the best site first. The host's id decides last, so that equal lattices give equal plans.
func ordered(sites []Site) []Site {
	sites = slices.Clone(sites)
	slices.SortFunc(sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.Running, a.Running), cmp.Compare(a.Load, b.Load), cmp.Compare(a.Host, b.Host))
	})
	return sites
}
