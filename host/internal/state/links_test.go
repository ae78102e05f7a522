package state

import (
	"maps"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// What links have for their actor is theirs as long as they are there; the first link wins, and other values stay with
// the provider.
func TestConfigOfLinks(t *testing.T) {
	l := newLinks()
	link := func(actor, contract string, values map[string]string) wire.LinkDefinition {
		def := wire.LinkDefinition{ActorID: lattice.ActorID(actor), ContractID: lattice.ContractID(contract),
			LinkName: "default",
			Values:   values}
		l.put(def)
		return def
	}
	is := func(want map[string]string) {
		t.Helper()
		if got := l.Config("a"); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	is(nil)
	b := link("a", "b", map[string]string{"weft.config.x": "b", "password": "s3cret", "weft.route": "any"})
	link("b", "b", map[string]string{"weft.config.other": "1"})
	is(map[string]string{"x": "b"})
	a := link("a", "a", map[string]string{"weft.config.x": "a", "weft.config.y": "a"})
	is(map[string]string{"x": "a", "y": "a"})
	link("a", "a", map[string]string{"weft.config.y": "again"})
	is(map[string]string{"x": "b", "y": "again"})
	l.del(a.ID())
	is(map[string]string{"x": "b"})
	link("a", "b", nil)
	is(nil)
	l.del(b.ID())
	is(nil)
	if len(l.configs) != 1 {
		t.Errorf("%d are kept, want that of the other actor", len(l.configs))
	}
}
