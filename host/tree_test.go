package host_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// branching is a module that answers each call by as many calls of the actor with an alias, whatever comes of them.
func branching(alias string, calls int) []byte {
	section := func(id byte, b ...byte) []byte { return append([]byte{id, byte(len(b))}, b...) }
	text := func(s string) string { return string(rune(len(s))) + s }
	code := []byte{0} // no locals
	for range calls {
		n := byte(len(alias))
		// __host_call of no link name, the alias at 0, its first letter as the operation, no payload; its result is
		// dropped
		code = append(code, 0x41, 0, 0x41, 0, 0x41, 0, 0x41, n, 0x41, 0, 0x41, 1, 0x41, 0, 0x41, 0, 0x10, 0, 0x1a)
	}
	code = append(code, 0x41, 1, 0x0b)
	i32 := strings.Repeat("\x7f", 8)
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = append(m, section(1, []byte("\x02\x60\x08"+i32+"\x01\x7f\x60\x02\x7f\x7f\x01\x7f")...)...)
	m = append(m, section(2, []byte("\x01"+text("wasmbus")+text("__host_call")+"\x00\x00")...)...)
	m = append(m, section(3, 1, 1)...)
	m = append(m, section(5, 1, 0, 1)...)
	m = append(m, section(7, []byte("\x02"+text("memory")+"\x02\x00"+text("__guest_call")+"\x00\x01")...)...)
	m = append(m, section(10, append([]byte{1, byte(len(code))}, code...)...)...)
	return append(m, section(11, append([]byte{1, 0, 0x41, 0, 0x0b}, text(alias)...)...)...)
}

// treeHost runs an actor that calls itself.
func (r *rig) treeHost(calls int, change func(*host.Config)) (*host.Host, lattice.ActorID) {
	r.t.Helper()
	h := r.host(func(c *host.Config) {
		c.HTTPAddr, c.RPCTimeout = "127.0.0.1:0", 2*time.Second
		if change != nil {
			change(c)
		}
	})
	key := latticetest.NewKey(r.t, 'M')
	signed, err := signing.SignModule(branching("weft/tree", calls), r.account, key, signing.ActorClaims{Name: "tree",
		CallAlias: "weft/tree"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.start(h, control.ScaleActorRequest{ActorRef: r.file("tree.wasm", signed), MaxInstances: control.Unbounded})
	return h, actorID(key)
}

// metric is the sum of a metric's series whose text has all the parts.
func metric(t *testing.T, h *host.Host, parts ...string) (sum float64) {
	t.Helper()
lines:
	for line := range strings.Lines(get(t, "http://"+h.HTTPAddr()+"/metrics")) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		var v float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' '):], &v); err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// An actor that calls itself twice makes a tree of calls that grows for as long as its caller waits, and ends then.
func TestCallTreeEndsWithItsCaller(t *testing.T) {
	r := newRig(t)
	h, id := r.treeHost(2, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err := r.client.Call(ctx, rpc.Call{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id), Operation: "w"})
	served := func() float64 { return metric(t, h, "weft_invocations_total{", string(id)) }
	t.Logf("the caller got %v; %v calls by then", err, served())
	before := -1.0
	latticetest.Eventually(t, func() error { // a call is counted after its instance is free, so the count settles last
		was, inUse := before, metric(t, h, string(id), `state="in_use"`)
		before = served()
		if inUse > 0 || before != was {
			return fmt.Errorf("%v instances are in use, and %v calls were served after %v: the tree goes on",
				inUse, before, was)
		}
		return nil
	})
	if before < 64 {
		t.Errorf("%v calls are no tree", before)
	}
}

// Calls nested in one another end at a depth, long before their caller's time is over. Each of them was served once.
func TestNestedCallsEndAtADepth(t *testing.T) {
	r := newRig(t)
	h, id := r.treeHost(1, func(c *host.Config) { c.RPCTimeout = 30 * time.Second })
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	e := wire.ActorEntity(id)
	if _, err := r.client.Call(ctx, rpc.Call{Origin: e, Target: e, Operation: "w"}); err != nil {
		t.Error(err)
	}
	latticetest.Eventually(t, func() error { // a call is counted after its answer
		if n := metric(t, h, "weft_invocations_total{", string(id)); n != 1+invocation.MaxDepth {
			return fmt.Errorf("%v calls were served, want one and %d nested ones", n, invocation.MaxDepth)
		}
		return nil
	})
}
