package store

import (
	"slices"
	"sync"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Aliases tells which actor a call alias stands for: the one whose claims were stored last. Fed from a Handler, every
// host comes to the same answer. The zero value is ready; it is safe for concurrent use.
type Aliases struct {
	mu      sync.RWMutex
	byAlias map[string][]lattice.ActorID // the last one counts. guarded by mu
	of      map[lattice.ActorID]string   // guarded by mu
}

// Put takes in the claims of an actor; those of providers are ignored. It returns the other actor that the alias stood
// for until now, or "".
func (a *Aliases) Put(c control.Claims) (clash lattice.ActorID) {
	if c.IsProvider() {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := lattice.ActorID(c.Subject)
	a.remove(id)
	if c.CallAlias == "" {
		return ""
	}
	if a.byAlias == nil {
		a.byAlias, a.of = make(map[string][]lattice.ActorID), make(map[lattice.ActorID]string)
	}
	if others := a.byAlias[c.CallAlias]; len(others) > 0 {
		clash = others[len(others)-1]
	}
	a.byAlias[c.CallAlias] = append(a.byAlias[c.CallAlias], id)
	a.of[id] = c.CallAlias
	return clash
}

// Delete forgets an actor; its alias falls back to the one that had it before.
func (a *Aliases) Delete(id lattice.ActorID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(id)
}

func (a *Aliases) remove(id lattice.ActorID) {
	alias, ok := a.of[id]
	if !ok {
		return
	}
	delete(a.of, id)
	rest := slices.DeleteFunc(slices.Clone(a.byAlias[alias]), func(o lattice.ActorID) bool { return o == id })
	if len(rest) == 0 {
		delete(a.byAlias, alias)
	} else {
		a.byAlias[alias] = rest
	}
}

// Lookup finds the actor of an alias.
func (a *Aliases) Lookup(alias string) (lattice.ActorID, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	ids := a.byAlias[alias]
	if len(ids) == 0 {
		return "", false
	}
	return ids[len(ids)-1], true
}
