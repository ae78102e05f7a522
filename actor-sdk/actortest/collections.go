package actortest

import (
	"maps"
	"slices"

	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func init() {
	operations[contract.ListAdd] = (*Store).listAdd
	operations[contract.ListDel] = (*Store).listDel
	operations[contract.ListRange] = (*Store).listRange
	operations[contract.SetAdd] = (*Store).setAdd
	operations[contract.SetDel] = (*Store).setDel
	operations[contract.SetQuery] = (*Store).setQuery
	operations[contract.SetUnion] = (*Store).setUnion
	operations[contract.SetIntersection] = (*Store).setIntersection
}

func (s *Store) listAdd(payload []byte) ([]byte, error) {
	m, err := contract.DecodeListItem(payload)
	if err != nil {
		return nil, err
	}
	e, err := s.of(aList, m.List, true)
	if err != nil {
		return nil, err
	}
	e.list = append(e.list, m.Value)
	return msgpack.EncodeUint(uint64(len(e.list))), nil
}

// listDel removes every occurrence; an empty list is none.
func (s *Store) listDel(payload []byte) ([]byte, error) {
	m, err := contract.DecodeListItem(payload)
	if err != nil {
		return nil, err
	}
	e, err := s.of(aList, m.List, false)
	if err != nil || e == nil {
		return msgpack.EncodeBool(false), err
	}
	before := len(e.list)
	e.list = slices.DeleteFunc(e.list, func(v string) bool { return v == m.Value })
	if len(e.list) == 0 {
		delete(s.entries, m.List)
	}
	return msgpack.EncodeBool(len(e.list) < before), nil
}

func (s *Store) listRange(payload []byte) ([]byte, error) {
	q, err := contract.DecodeRangeRequest(payload)
	if err != nil {
		return nil, err
	}
	e, err := s.of(aList, q.List, false)
	if err != nil || e == nil {
		return msgpack.EncodeStrs(nil), err
	}
	n := len(e.list)
	start, stop := int(q.Start), int(q.Stop)
	if start < 0 {
		start = max(start+n, 0)
	}
	if stop < 0 {
		stop += n
	}
	stop = min(stop, n-1)
	if start > stop {
		return msgpack.EncodeStrs(nil), nil
	}
	return msgpack.EncodeStrs(e.list[start : stop+1]), nil
}

func (s *Store) setAdd(payload []byte) ([]byte, error) {
	m, err := contract.DecodeSetItem(payload)
	if err != nil {
		return nil, err
	}
	e, err := s.of(aSet, m.Set, true)
	if err != nil {
		return nil, err
	}
	if e.set[m.Value] {
		return msgpack.EncodeUint(0), nil
	}
	e.set[m.Value] = true
	return msgpack.EncodeUint(1), nil
}

// setDel removes a member; an empty set is none.
func (s *Store) setDel(payload []byte) ([]byte, error) {
	m, err := contract.DecodeSetItem(payload)
	if err != nil {
		return nil, err
	}
	e, err := s.of(aSet, m.Set, false)
	if err != nil || e == nil || !e.set[m.Value] {
		return msgpack.EncodeUint(0), err
	}
	delete(e.set, m.Value)
	if len(e.set) == 0 {
		delete(s.entries, m.Set)
	}
	return msgpack.EncodeUint(1), nil
}

func (s *Store) setQuery(payload []byte) ([]byte, error) {
	name, err := msgpack.DecodeStr(payload)
	if err != nil {
		return nil, err
	}
	members, err := s.members(name)
	return encodeSet(members), err
}

func (s *Store) setUnion(payload []byte) ([]byte, error) {
	names, err := msgpack.DecodeStrs(payload)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, name := range names {
		members, err := s.members(name)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, members)
	}
	return encodeSet(all), nil
}

func (s *Store) setIntersection(payload []byte) ([]byte, error) {
	names, err := msgpack.DecodeStrs(payload)
	if err != nil {
		return nil, err
	}
	common := map[string]bool{}
	for i, name := range names {
		members, err := s.members(name)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			maps.Copy(common, members)
		} else {
			maps.DeleteFunc(common, func(v string, _ bool) bool { return !members[v] })
		}
	}
	return encodeSet(common), nil
}

// members returns a set, which is not the caller's to change; nil when there is none. The caller holds mu.
func (s *Store) members(name string) (map[string]bool, error) {
	e, err := s.of(aSet, name, false)
	if err != nil || e == nil {
		return nil, err
	}
	return e.set, nil
}

func encodeSet(members map[string]bool) []byte {
	return msgpack.EncodeStrs(slices.Sorted(maps.Keys(members)))
}
