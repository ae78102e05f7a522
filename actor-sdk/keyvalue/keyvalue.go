package keyvalue

import (
	"math"
	"time"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Store is the store behind one link. It is a value without state.
type Store struct {
	link lattice.LinkName
}

// Default returns the store behind the default link.
func Default() Store { return Store{} }

// Open returns the store behind a link of another name.
func Open(link lattice.LinkName) Store { return Store{link: link} }

// Get returns the value of a key and whether it exists.
func (s Store) Get(key string) (value string, exists bool, err error) {
	b, err := s.call(contract.Get, msgpack.EncodeStr(key))
	if err != nil {
		return "", false, err
	}
	p, err := contract.DecodeGetResponse(b)
	return p.Value, p.Exists, err
}

// Set stores a value, in place of whatever the key held. It expires after ttl, rounded up to whole seconds; 0 means
// never. A negative ttl, or one above 136 years, is lattice.ErrInvalid.
func (s Store) Set(key, value string, ttl time.Duration) error {
	seconds := (ttl + time.Second - 1) / time.Second
	if ttl < 0 || int64(seconds) > math.MaxUint32 {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: contract.Set, Entity: key,
			Detail: "time to live " + ttl.String()}
	}
	_, err := s.call(contract.Set, contract.SetRequest{Key: key, Value: value, Expires: uint32(seconds)}.Encode())
	return err
}

// Delete removes a key of any kind and reports whether it was there.
func (s Store) Delete(key string) (bool, error) { return s.bool(contract.Del, key) }

// Contains reports whether a key of any kind exists.
func (s Store) Contains(key string) (bool, error) { return s.bool(contract.Contains, key) }

// Increment adds delta to a counter, which begins at 0, and returns the new value.
func (s Store) Increment(key string, delta int32) (int32, error) {
	b, err := s.call(contract.Increment, contract.IncrementRequest{Key: key, Value: delta}.Encode())
	if err != nil {
		return 0, err
	}
	return msgpack.DecodeInt32(b)
}

// ListAdd appends a value to a list and returns the new length.
func (s Store) ListAdd(list, value string) (int, error) {
	return s.count(contract.ListAdd, contract.ListItem{List: list, Value: value}.Encode())
}

// ListRange returns the items from start to stop, both included and counted from 0; negative ones count from the end,
// so that 0 and -1 mean the whole list.
func (s Store) ListRange(list string, start, stop int) ([]string, error) {
	return s.strings(contract.ListRange, contract.RangeRequest{List: list, Start: clamp(start),
		Stop: clamp(stop)}.Encode())
}

// ListDelete removes a value from a list and reports whether it was there.
func (s Store) ListDelete(list, value string) (bool, error) {
	b, err := s.call(contract.ListDel, contract.ListItem{List: list, Value: value}.Encode())
	if err != nil {
		return false, err
	}
	return msgpack.DecodeBool(b)
}

// ListClear removes a list and reports whether it was there.
func (s Store) ListClear(list string) (bool, error) { return s.bool(contract.ListClear, list) }

// SetAdd puts a value into a set and returns how many were added: 0 when it was a member already.
func (s Store) SetAdd(set, value string) (int, error) {
	return s.count(contract.SetAdd, contract.SetItem{Set: set, Value: value}.Encode())
}

// SetDelete takes a value out of a set and returns how many were removed.
func (s Store) SetDelete(set, value string) (int, error) {
	return s.count(contract.SetDel, contract.SetItem{Set: set, Value: value}.Encode())
}

// SetMembers returns the members of a set, in no particular order.
func (s Store) SetMembers(set string) ([]string, error) {
	return s.strings(contract.SetQuery, msgpack.EncodeStr(set))
}

// SetUnion returns what is in any of the sets, in no particular order.
func (s Store) SetUnion(sets ...string) ([]string, error) {
	return s.strings(contract.SetUnion, msgpack.EncodeStrs(sets))
}

// SetIntersection returns what is in all of the sets, in no particular order.
func (s Store) SetIntersection(sets ...string) ([]string, error) {
	return s.strings(contract.SetIntersection, msgpack.EncodeStrs(sets))
}

// SetClear removes a set and reports whether it was there.
func (s Store) SetClear(set string) (bool, error) { return s.bool(contract.SetClear, set) }

func (s Store) call(operation string, payload []byte) ([]byte, error) {
	return actor.CallProvider(contract.ID, s.link, operation, payload)
}

func (s Store) bool(operation, key string) (bool, error) {
	b, err := s.call(operation, msgpack.EncodeStr(key))
	if err != nil {
		return false, err
	}
	return msgpack.DecodeBool(b)
}

func (s Store) count(operation string, payload []byte) (int, error) {
	b, err := s.call(operation, payload)
	if err != nil {
		return 0, err
	}
	n, err := msgpack.DecodeUint32(b)
	return int(n), err
}

func (s Store) strings(operation string, payload []byte) ([]string, error) {
	b, err := s.call(operation, payload)
	if err != nil {
		return nil, err
	}
	return msgpack.DecodeStrs(b)
}

// clamp brings an index into the range that travels; lists are shorter.
func clamp(i int) int32 { return int32(min(max(i, math.MinInt32), math.MaxInt32)) }
