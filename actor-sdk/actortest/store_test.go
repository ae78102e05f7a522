package actortest

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// call runs an operation on the store and returns its payload.
func call(t *testing.T, s *Store, operation string, payload []byte) []byte {
	t.Helper()
	b, err := s.Call(operation, payload)
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	return b
}

func TestKindsDoNotMix(t *testing.T) {
	s := New(t).Store()
	call(t, s, contract.Set, contract.SetRequest{Key: "text", Value: "abc"}.Encode())
	call(t, s, contract.ListAdd, contract.ListItem{List: "list", Value: "a"}.Encode())
	call(t, s, contract.SetAdd, contract.SetItem{Set: "set", Value: "a"}.Encode())
	for name, c := range map[string]struct {
		operation string
		payload   []byte
	}{
		"get a list":         {contract.Get, msgpack.EncodeStr("list")},
		"increment a set":    {contract.Increment, contract.IncrementRequest{Key: "set", Value: 1}.Encode()},
		"increment a text":   {contract.Increment, contract.IncrementRequest{Key: "text", Value: 1}.Encode()},
		"append to a text":   {contract.ListAdd, contract.ListItem{List: "text", Value: "a"}.Encode()},
		"range of a set":     {contract.ListRange, contract.RangeRequest{List: "set", Stop: -1}.Encode()},
		"remove from a set":  {contract.ListDel, contract.ListItem{List: "set", Value: "a"}.Encode()},
		"add to a list":      {contract.SetAdd, contract.SetItem{Set: "list", Value: "a"}.Encode()},
		"take from a text":   {contract.SetDel, contract.SetItem{Set: "text", Value: "a"}.Encode()},
		"members of a list":  {contract.SetQuery, msgpack.EncodeStr("list")},
		"union with a list":  {contract.SetUnion, msgpack.EncodeStrs([]string{"set", "list"})},
		"common with a text": {contract.SetIntersection, msgpack.EncodeStrs([]string{"set", "text"})},
	} {
		if _, err := s.Call(c.operation, c.payload); !errors.Is(err, lattice.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Keys(); len(got) != 3 {
		t.Errorf("keys %v", got)
	}
	for _, key := range []string{"list", "set", "text"} {
		call(t, s, contract.Set, contract.SetRequest{Key: key, Value: "now text"}.Encode())
		if v, ok := s.Get(key); !ok || v != "now text" {
			t.Errorf("%s holds %q", key, v)
		}
	}
}

func TestEmptiedCollectionsAreGone(t *testing.T) {
	s := New(t).Store()
	call(t, s, contract.ListAdd, contract.ListItem{List: "list", Value: "a"}.Encode())
	call(t, s, contract.SetAdd, contract.SetItem{Set: "set", Value: "a"}.Encode())
	call(t, s, contract.ListDel, contract.ListItem{List: "list", Value: "a"}.Encode())
	call(t, s, contract.SetDel, contract.SetItem{Set: "set", Value: "a"}.Encode())
	if got := s.Keys(); len(got) != 0 {
		t.Errorf("keys %v", got)
	}
}

func TestCounters(t *testing.T) {
	h := New(t)
	s := h.Store()
	s.Set("n", "41", time.Minute)
	if got := call(t, s, contract.Increment, contract.IncrementRequest{Key: "n", Value: 1}.Encode()); len(got) != 1 ||
		got[0] != 42 {
		t.Errorf("counter %x", got)
	}
	if ttl := s.TTL("n"); ttl != time.Minute {
		t.Errorf("increment changed the time to live to %v", ttl)
	}
	s.Set("n", "2147483647", 0)
	if _, err := s.Call(contract.Increment, contract.IncrementRequest{Key: "n",
		Value: math.MaxInt32}.Encode()); !errors.Is(err, lattice.ErrConflict) {
		t.Errorf("overflow: %v", err)
	}
	if v, _ := s.Get("n"); v != "2147483647" {
		t.Errorf("overflow left %q", v)
	}
	s.Set("n", "1", time.Second)
	h.Advance(time.Second)
	if got := call(t, s, contract.Increment, contract.IncrementRequest{Key: "n", Value: 5}.Encode()); got[0] != 5 ||
		s.TTL("n") != 0 {
		t.Errorf("an expired counter goes on at %x", got)
	}
}

func TestMalformedArguments(t *testing.T) {
	s := New(t).Store()
	for operation := range operations {
		if _, err := s.Call(operation, []byte{0x01, 0x02}); !errors.Is(err, lattice.ErrInvalid) {
			t.Errorf("%s: %v", operation, err)
		}
	}
	if len(operations) != 15 {
		t.Errorf("%d operations, the contract has 15", len(operations))
	}
	if _, err := s.Call("KeyValue.Levitate", nil); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("unknown operation: %v", err)
	}
}

func TestHammer(t *testing.T) {
	h := New(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				if _, err := h.Store().Call(contract.Increment, contract.IncrementRequest{Key: "n",
					Value: 1}.Encode()); err != nil {
					t.Error(err)
				}
				h.Run(func() { h.Advance(time.Millisecond) })
			}
		})
	}
	wg.Wait()
	if v, _ := h.Store().Get("n"); v != "1600" {
		t.Errorf("counted %s", v)
	}
}
