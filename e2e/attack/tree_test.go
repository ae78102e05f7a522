package attack

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// brancher calls the actor with an alias twice in each call, whatever comes of them.
func brancher(alias string) []byte {
	m := newModule()
	m.types = append(m.types, []byte{0x60, 8, i32, i32, i32, i32, i32, i32, i32, i32, 1, i32})
	m.imports = [][]byte{join(name("wasmbus"), name("__host_call"), []byte{0, 2})}
	m.data = [][]byte{join([]byte{0, opConst}, sleb(addrNamespace), []byte{opEnd}, sized([]byte(alias)))}
	code := []byte{0}
	for range 2 {
		// no link name, the alias, its first letter as the operation, no payload
		for _, a := range []int{0, 0, addrNamespace, len(alias), addrNamespace, 1, 0, 0} {
			code = join(code, []byte{opConst}, sleb(a))
		}
		code = append(code, opCall, 0, opDrop)
	}
	m.bodies[0] = sized(append(code, opConst, 1, opEnd))
	return m.bytes()
}

// branch starts a brancher of an alias that calls another one.
func (r *rig) branch(alias, calls string, instances uint32) (ref string, id lattice.ActorID) {
	r.t.Helper()
	key := latticetest.NewKey(r.t, signing.KindModule)
	signed, err := signing.SignModule(brancher("attack/"+calls), latticetest.NewKey(r.t, signing.KindAccount), key,
		signing.ActorClaims{Name: alias, CallAlias: "attack/" + alias})
	if err != nil {
		r.t.Fatal(err)
	}
	ref = r.file(alias+".wasm", signed)
	r.scale(ref, instances)
	return ref, lattice.ActorID(key.Public())
}

// scale brings an actor to a number of instances, and waits until it has them; 0 stops it.
func (r *rig) scale(ref string, instances uint32) {
	r.t.Helper()
	if err := r.ctl.ScaleActor(r.t.Context(), control.ScaleActorRequest{ActorRef: ref, HostID: r.ID,
		MaxInstances: instances}); err != nil {
		r.t.Fatal(err)
	}
	r.await(func(d event.Data) bool {
		if f, ok := d.(event.ActorScaleFailed); ok && f.ImageRef == ref {
			r.t.Fatalf("scale to %d: %s", instances, f.Error)
		}
		s, ok := d.(event.ActorScaled)
		return ok && s.ImageRef == ref
	})
}

// Actors that call themselves or each other twice in each call make a tree of 2⁶⁴ calls, down to the depth that is
// allowed. It ends with the deadline of its first call: soon the host is idle, and the actors stop without a call that
// has to be cut off.
func TestCallTree(t *testing.T) {
	r := newRig(t)
	for _, one := range []struct {
		name      string
		actors    []string // each calls the next, the last one the first
		instances uint32
	}{
		{"an actor that calls itself", []string{"itself"}, control.Unbounded},
		{"two actors that call each other", []string{"one", "other"}, control.Unbounded},
		{"an actor with four instances", []string{"few"}, 4},
	} {
		r.attack(one.name, func(t *testing.T) {
			var refs []string
			var first lattice.ActorID
			for i, alias := range one.actors {
				ref, id := r.branch(alias, one.actors[(i+1)%len(one.actors)], one.instances)
				if refs = append(refs, ref); i == 0 {
					first = id
				}
			}
			e := wire.ActorEntity(first)
			_, err := r.client.Call(t.Context(), rpc.Call{Origin: e, Target: e, Operation: "T",
				Timeout: 2 * time.Second})
			// The first call may end by itself: at once where there are few instances, since those of the tree are
			// busy; or just before its deadline, when the calls below it have met theirs.
			if err != nil && !errors.Is(err, lattice.ErrTimeout) {
				t.Errorf("the caller got %v", err)
			}
			latticetest.Eventually(t, func() error {
				before := r.host.usage(t).cpu
				time.Sleep(500 * time.Millisecond)
				if busy := r.host.usage(t).cpu - before; busy > 150*time.Millisecond {
					return fmt.Errorf("the host is at work, %v of half a second", busy)
				}
				return nil
			})
			for _, ref := range refs {
				r.scale(ref, 0)
			}
		})
	}
}
