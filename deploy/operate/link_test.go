package operate

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// fakeProvider is a process that answers for its links.
func (r *rig) fakeProvider(t *testing.T, h *fakeHost, id lattice.ProviderID, states func() []wire.LinkState) {
	t.Helper()
	h.mu.Lock()
	h.inv.Providers = append(h.inv.Providers, control.Provider{ID: id, Name: "Store", ContractID: "acme:store", LinkName: lattice.DefaultLink})
	h.mu.Unlock()
	nc := r.Env.Conn(t)
	_, err := nc.Subscribe(subject.LinkStates(r.Env.Lattice, id, lattice.DefaultLink), func(m *nats.Msg) {
		b, _ := json.Marshal(states())
		_ = m.Respond(b)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutLink(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "one", nil)
	actor, provider := r.ActorID(t), r.ProviderID(t)
	h.run(actor, "app", "ref", 1)
	put := LinkPut{Actor: "app", Provider: "acme:store", Values: map[string]string{"k": "v"}}

	if _, err := r.PutLink(t.Context(), put); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("unknown provider: %v", err)
	}
	put.Provider = string(provider)
	if _, err := r.PutLink(t.Context(), put); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("unknown contract: %v", err)
	}
	put.ContractID = "acme:store"
	if got, err := r.PutLink(t.Context(), put); err != nil || got.State != LinkPending {
		t.Errorf("not running: %+v, %v", got, err)
	}

	var asked atomic.Int32
	var failed atomic.Bool
	// Two processes: the second is slow to take the link.
	answer := func(slow bool) func() []wire.LinkState {
		return func() []wire.LinkState {
			s := wire.LinkState{ActorID: string(actor), ContractID: "acme:store", LinkName: "default", State: wire.LinkActive}
			if slow && asked.Add(1) < 3 {
				return []wire.LinkState{}
			}
			if slow && failed.Load() {
				s.State, s.Error = wire.LinkFailed, "no such table"
			}
			return []wire.LinkState{s}
		}
	}
	r.fakeProvider(t, h, provider, answer(false))
	r.fakeProvider(t, r.host(t, "two", nil), provider, answer(true))
	put.Provider, put.ContractID = "store", ""
	got, err := r.PutLink(t.Context(), put)
	if err != nil || got.State != wire.LinkActive || got.ContractID != "acme:store" || got.ActorName != "app" {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := asked.Load(); n < 4 {
		t.Errorf("said active after %d answers, when the slow process had not got it", n)
	}

	failed.Store(true)
	if got, err = r.PutLink(t.Context(), put); err == nil || !strings.Contains(err.Error(), "no such table") || got.State != wire.LinkFailed {
		t.Errorf("got %+v, %v", got, err)
	}
	links, err := r.Links(t.Context())
	if err != nil || len(links) == 0 || links[0].State != wire.LinkFailed || !strings.HasPrefix(links[0].Error, "no such table") {
		t.Errorf("got %+v, %v", links, err)
	}
}
