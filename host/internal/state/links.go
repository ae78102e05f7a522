package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/wire"
)

// Links is what the host knows of the lattice's state: links, claims, call aliases. The watch of the bucket fills it;
// host calls read it. It is safe for concurrent use.
type Links struct {
	aliases store.Aliases
	mu      sync.RWMutex
	byID    map[string]wire.LinkDefinition    // guarded by mu
	byNames map[linkNames]wire.LinkDefinition // the same, for host calls; guarded by mu
	configs map[linkNames]map[string]string   // what links have for their actors; guarded by mu
	wanted  map[string]wire.LinkDefinition    // by id: those that another provider is about to take; guarded by mu
	claims  map[string]control.Claims         // by public key; guarded by mu
	refs    map[string]string                 // public keys by reference of a registry; guarded by mu
}

// linkNames identify a link, as its id does, which is a hash over them.
type linkNames struct {
	actor    lattice.ActorID
	contract lattice.ContractID
	link     lattice.LinkName
}

// newLinks returns none.
func newLinks() *Links {
	return &Links{byID: map[string]wire.LinkDefinition{}, byNames: map[linkNames]wire.LinkDefinition{},
		configs: map[linkNames]map[string]string{}, wanted: map[string]wire.LinkDefinition{},
		claims: map[string]control.Claims{}, refs: map[string]string{}}
}

// put remembers a link, and ends the wait for another one under its id.
func (l *Links) put(def wire.LinkDefinition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wanted, def.ID())
	l.set(def)
}

// want announces a link that takeOver will put.
func (l *Links) want(def wire.LinkDefinition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted[def.ID()] = def
}

// takeOver puts a link that was announced, unless another put or a deletion came since.
func (l *Links) takeOver(def wire.LinkDefinition) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now, ok := l.wanted[def.ID()]; !ok || !now.Equal(def) {
		return false
	}
	delete(l.wanted, def.ID())
	l.set(def)
	return true
}

// set remembers a link. mu is held.
func (l *Links) set(def wire.LinkDefinition) {
	l.byID[def.ID()] = def
	names := linkNames{def.ActorID, def.ContractID, def.LinkName}
	l.byNames[names] = def
	delete(l.configs, names)
	if config := def.ActorConfig(); config != nil {
		l.configs[names] = config
	}
}

// del forgets a link. One that is about to be taken over goes as well: the deletion came last.
func (l *Links) del(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wanted, id)
	def := l.byID[id]
	delete(l.byID, id)
	names := linkNames{def.ActorID, def.ContractID, def.LinkName}
	delete(l.byNames, names)
	delete(l.configs, names)
}

// Config returns what the links of an actor have for it. Of several values under one name it is that of the first link,
// in the order of contracts and link names.
func (l *Links) Config(actor lattice.ActorID) map[string]string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var of []linkNames
	for names := range l.configs {
		if names.actor == actor {
			of = append(of, names)
		}
	}
	slices.SortFunc(of, func(a, b linkNames) int {
		return cmp.Or(cmp.Compare(b.contract, a.contract), cmp.Compare(b.link, a.link)) // the first one is set last
	})
	all := map[string]string{}
	for _, names := range of {
		maps.Copy(all, l.configs[names])
	}
	return all
}

// Find returns the link of an actor for a contract and a link name.
func (l *Links) Find(actor lattice.ActorID, contract lattice.ContractID, link lattice.LinkName) (wire.LinkDefinition,
	bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	def, ok := l.byNames[linkNames{actor, contract, link}]
	return def, ok
}

// Linked reports whether an actor has a link to a provider instance.
func (l *Links) Linked(actor lattice.ActorID, id lattice.ProviderID, link lattice.LinkName) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	// It is asked when a call has failed, which is rare: no index is kept.
	for names, def := range l.byNames {
		if names.actor == actor && def.ProviderID == id && def.LinkName == link {
			return true
		}
	}
	return false
}

// hasLink reports whether an actor has a link for a contract, under whatever name.
func (l *Links) hasLink(actor lattice.ActorID, contract lattice.ContractID) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for names := range l.byNames {
		if names.actor == actor && names.contract == contract {
			return true
		}
	}
	return false
}

// All returns every link, in a stable order.
func (l *Links) All() []wire.LinkDefinition {
	return l.where(func(wire.LinkDefinition) bool { return true })
}

// Of returns the links of one provider instance.
func (l *Links) Of(id lattice.ProviderID, link lattice.LinkName) []wire.LinkDefinition {
	return l.where(func(d wire.LinkDefinition) bool { return d.ProviderID == id && d.LinkName == link })
}

func (l *Links) where(keep func(wire.LinkDefinition) bool) []wire.LinkDefinition {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := []wire.LinkDefinition{}
	for _, def := range l.byID {
		if keep(def) {
			out = append(out, def)
		}
	}
	slices.SortFunc(out, func(a, b wire.LinkDefinition) int {
		return cmp.Or(cmp.Compare(a.ActorID, b.ActorID), cmp.Compare(a.ContractID, b.ContractID),
			cmp.Compare(a.LinkName, b.LinkName))
	})
	return out
}

// PutClaims remembers claims and returns the other actor that had the same call alias until now, if any.
func (l *Links) PutClaims(c control.Claims) (clash lattice.ActorID) {
	l.mu.Lock()
	l.claims[c.Subject] = c
	l.mu.Unlock()
	return l.aliases.Put(c)
}

func (l *Links) delClaims(publicKey string) {
	l.mu.Lock()
	delete(l.claims, publicKey)
	l.mu.Unlock()
	l.aliases.Delete(lattice.ActorID(publicKey))
}

// ProviderName is what people call a provider: the name in its claims, or else its key.
func (l *Links) ProviderName(id lattice.ProviderID) string {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return cmp.Or(l.claims[string(id)].Name, string(id))
}

func (l *Links) putRef(r store.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refs[r.URL] = r.PublicKey
}

func (l *Links) delRef(r store.Ref) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.refs, r.URL)
}

// ByRef finds the actor that was started last from a reference of a registry.
func (l *Links) ByRef(ref string) (lattice.ActorID, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	key := l.refs[withoutScheme(ref)]
	return lattice.ActorID(key), lattice.IsKey(key, 'M')
}

// withoutScheme is a reference as the lattice keeps it.
func withoutScheme(ref string) string { return strings.TrimPrefix(ref, "oci://") }

// Alias finds the actor with a call alias.
func (l *Links) Alias(name string) (lattice.ActorID, bool) { return l.aliases.Lookup(name) }

// AllClaims returns every claim, ordered by public key.
func (l *Links) AllClaims() []control.Claims {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make([]control.Claims, 0, len(l.claims))
	for _, c := range l.claims {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b control.Claims) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

// ClaimsOf returns what is known of an actor or a provider; nothing when nothing is.
func (l *Links) ClaimsOf(publicKey string) control.Claims {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.claims[publicKey]
}
