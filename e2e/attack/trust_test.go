package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// caller is an actor that calls Test.Echo of the namespace in its payload, and answers with the text of the error.
func caller() []byte {
	m := newModule()
	m.types = append(m.types, []byte{0x60, 2, i32, i32, 0}, join([]byte{0x60, 8}, []byte(strings.Repeat("\x7f", 8)),
		[]byte{1, i32}), []byte{0x60, 0, 1, i32}, []byte{0x60, 1, i32, 0})
	abi := func(function string, typ byte) []byte { return join(name("wasmbus"), name(function), []byte{0, typ}) }
	m.imports = [][]byte{abi("__guest_request", 2), abi("__guest_response", 2), abi("__host_call", 3),
		abi("__host_error_len", 4), abi("__host_error", 5)}
	m.data = [][]byte{join([]byte{0, opConst, 0, opEnd}, sized([]byte("Test.Echo")))}
	at := func(v int) []byte { return append([]byte{opConst}, sleb(v)...) }
	m.bodies[0] = sized(join([]byte{0},
		at(1024), at(4096), []byte{opCall, 0},
		at(0), at(0), at(4096), []byte{opLocalGet, 1}, at(0), at(9), at(0), at(0), []byte{opCall, 2, opDrop},
		at(32768), []byte{opCall, 4},
		at(32768), []byte{opCall, 3, opCall, 1},
		[]byte{opConst, 1, opEnd}))
	return m.bytes()
}

// An actor calls what nobody has granted it.
func TestUngrantedCalls(t *testing.T) {
	r := newRig(t)
	ref, id := r.module("caller", caller(), "acme:granted")
	if code, text := r.start(ref); code != 0 {
		t.Fatal(text)
	}
	elsewhere := r.env.ActorID(t) // an actor of another lattice on the same NATS server
	foreign, err := r.nc.SubscribeSync(subject.Actor("elsewhere", elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []struct{ name, namespace, words string }{
		{"a contract that the claims do not grant", "wasmcloud:keyvalue", lattice.ErrMissingCapability.Error() +
			": for wasmcloud:keyvalue"},
		{"a builtin contract that the claims do not grant", "wasmcloud:builtin:logging",
			lattice.ErrMissingCapability.Error()},
		{"a contract that no link grants", "acme:granted", lattice.ErrUnlinked.Error() + ": for acme:granted"},
		{"an actor of another lattice", string(elsewhere), lattice.ErrNoResponders.Error()},
		{"a subject in place of a name", "wasmbus.rpc.elsewhere." + string(elsewhere), lattice.ErrNotFound.Error()},
		{"wildcards in place of a name", "*.>", lattice.ErrNotFound.Error()},
	} {
		r.attack(a.name, func(t *testing.T) {
			out, err := r.call(id, "Call.It", []byte(a.namespace))
			if err != nil || !strings.Contains(string(out), a.words) {
				t.Errorf("%q, %v; want %q", out, err, a.words)
			}
		})
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := foreign.Pending(); n != 0 || err != nil {
		t.Errorf("%d calls have reached the other lattice, %v", n, err)
	}
}

// A peer on NATS without the cluster's key, or with a call that it has captured, is refused each time, also in numbers.
func TestFloodOfForgeries(t *testing.T) {
	r := newRig(t)
	ref, id := r.module("target", echo())
	if code, text := r.start(ref); code != 0 {
		t.Fatal(text)
	}
	to := subject.Actor(r.env.Lattice, id)
	send := func(t *testing.T, data []byte, want lattice.Code) {
		t.Helper()
		inbox := nats.NewInbox()
		answers, err := r.nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answers.Unsubscribe() }()
		const n = 500 // fewer than wait for an actor, so that none is merely busy
		for range n {
			if err := r.nc.PublishRequest(to, inbox, data); err != nil {
				t.Fatal(err)
			}
		}
		for range n {
			m, err := answers.NextMsg(patience)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Header.Get("Weft-Error"); got != want.Name() {
				t.Fatalf("answered with %q: %s; want %s", got, m.Data, want.Name())
			}
		}
	}
	r.attack("500 calls signed by a foreign cluster", func(t *testing.T) {
		send(t, r.captured(id, latticetest.NewKey(t, signing.KindCluster)), lattice.ErrUnknownIssuer)
	})
	r.attack("500 altered calls", func(t *testing.T) {
		data := r.captured(id, r.env.Cluster)
		data = []byte(strings.Replace(string(data), "captured", "altered!", 1))
		send(t, data, lattice.ErrHashMismatch)
	})
	r.attack("a captured call 500 times", func(t *testing.T) {
		data := r.captured(id, r.env.Cluster)
		m, err := r.nc.Request(to, data, patience)
		if err != nil || m.Header.Get("Weft-Error") != "" {
			t.Fatalf("the first: %v, %v", m, err)
		}
		send(t, data, lattice.ErrReplayed)
	})
}

// captured is a call on the wire, as somebody who listens would have it.
func (r *rig) captured(id lattice.ActorID, cluster signing.KeyPair) []byte {
	r.t.Helper()
	spy, err := r.nc.SubscribeSync(subject.Actor("nobody", id))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = spy.Unsubscribe() }()
	c := rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: "nobody", HostID: r.env.HostID(r.t), Cluster: cluster,
		Timeout: 10 * time.Millisecond})
	e := wire.ActorEntity(id)
	_, _ = c.Call(r.t.Context(), rpc.Call{Origin: e, Target: e, Operation: "Test.Echo",
		Payload: []byte("captured")}) // nobody answers
	m, err := spy.NextMsg(patience)
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Data
}
