package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// TestLinkIsCheckedByWhoTakesHisTime: the host waits longer for a provider that says at once that it is there than for
// one that says nothing. What it refuses is not stored. A client watches all messages, so that the server never says
// that there is no responder.
func TestLinkIsCheckedByWhoTakesHisTime(t *testing.T) {
	r := newRig(t)
	r.host(nil)
	if _, err := r.nc.Subscribe("wasmbus.rpc."+string(r.env.Lattice)+".>", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	link := func() wire.LinkDefinition {
		return wire.LinkDefinition{ActorID: lattice.ActorID(latticetest.NewKey(t, 'M').Public()),
			ProviderID: lattice.ProviderID(latticetest.NewKey(t, 'V').Public()), LinkName: "default",
			ContractID: "acme:thing"}
	}
	silent, slow := link(), link()
	id := slow.ProviderID
	if _, err := r.nc.Subscribe(subject.LinkStates(r.env.Lattice, id, "default"), func(m *nats.Msg) {
		if string(m.Data) != string(slow.ActorID) {
			t.Errorf("asked for the links of %q, not of the actor only", m.Data)
		}
		_ = m.Respond([]byte("[]"))
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.nc.Subscribe(subject.LinkCheck(r.env.Lattice, id, "default"), func(m *nats.Msg) {
		time.Sleep(600 * time.Millisecond) // longer than it may be silent
		b, _ := json.Marshal(wire.LinkState{State: wire.LinkFailed, Code: lattice.ErrInvalid.Name(),
			Error: "no such thing"})
		_ = m.Respond(b)
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.control.PutLink(t.Context(), silent); err != nil {
		t.Errorf("a provider that says nothing: %v", err)
	}
	if err := r.control.PutLink(t.Context(), slow); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("a provider that refuses after a while: %v", err)
	}
	latticetest.Eventually(t, func() error {
		links, err := r.control.Links(t.Context())
		if err == nil && (len(links) != 1 || links[0].ActorID != silent.ActorID) {
			err = fmt.Errorf("the links are %v, want the one of %s", links, silent.ActorID)
		}
		return err
	})
}
