package operate

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/wire"
)

// A link that another actor's link stands against: put and list say that actor's name, and when it does not run how its
// link goes.
func TestConflictNamesTheHolder(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "one", nil)
	actor, provider, gone, runs := r.ActorID(t), r.ProviderID(t), r.ActorID(t), r.ActorID(t)
	h.run(actor, "app", "ref", 1)
	h.run(runs, "shop", "ref", 1)
	var holder atomic.Value
	r.fakeProvider(t, h, provider, func() []wire.LinkState {
		return []wire.LinkState{{ActorID: actor, ContractID: "acme:store", LinkName: "default", State: wire.LinkFailed,
			Code: "conflict",
			Error: "link " + string(actor) + ": 127.0.0.1:80 / is taken by actor " + holder.Load().(string) +
				"; set another path"}}
	})
	v := &View{Claims: []control.Claims{{Subject: string(gone), Name: "probe"}}}
	if got := v.explain("taken by actor "+string(gone), Link{}); !strings.HasPrefix(got,
		"taken by actor probe ("+string(gone)+"); ") {
		t.Errorf("the name in claims of an actor that does not run: %q", got)
	}
	for _, c := range []struct {
		holder     lattice.ActorID
		says, hint string
	}{
		{gone, "taken by actor " + string(gone) + "; set another path; ", "weft link del " + string(gone) + " "},
		{runs, "taken by actor shop (" + string(runs) + "); set another path", ""},
	} {
		holder.Store(string(c.holder))
		_, err := r.PutLink(t.Context(), LinkPut{Actor: "app", Provider: "store", Values: map[string]string{"k": "v"}})
		links, lerr := r.Links(t.Context())
		if lattice.CodeOf(err) != lattice.ErrConflict || lerr != nil || len(links) == 0 {
			t.Fatalf("put: %v, links %+v, %v; want a conflict", err, links, lerr)
		}
		for _, text := range []string{err.Error(), links[0].Error} {
			if !strings.Contains(text, c.says) || !strings.Contains(text, c.hint) ||
				strings.Contains(text, "weft link del") != (c.hint != "") {
				t.Errorf("said %q, want %q and the hint %q", text, c.says, c.hint)
			}
		}
	}
}
