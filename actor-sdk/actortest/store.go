package actortest

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Store is a key-value store in memory that keeps the contract as weft's providers do: a key holds a string (a counter
// is one), a list or a set, and an operation of another kind is an error. Sets are listed in order. Safe for concurrent
// use.
type Store struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[string]*entry // guarded by mu
}

// entry is one key; list and set are nil unless it holds one.
type entry struct {
	text    string
	list    []string
	set     map[string]bool
	expires time.Time // zero is never
}

func newStore(now func() time.Time) *Store { return &Store{now: now, entries: map[string]*entry{}} }

// Get returns the string under a key and whether there is one.
func (s *Store) Get(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(key)
	if e == nil || e.kind() != aString {
		return "", false
	}
	return e.text, true
}

// Set puts a string under a key, for ttl; 0 means for ever.
func (s *Store) Set(key, value string, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &entry{text: value}
	if ttl > 0 {
		e.expires = s.now().Add(ttl)
	}
	s.entries[key] = e
}

// TTL returns how long a key will live on; 0 means for ever, or that there is none.
func (s *Store) TTL(key string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(key); e != nil && !e.expires.IsZero() {
		return e.expires.Sub(s.now())
	}
	return 0
}

// Keys returns all keys, in order.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.entries, func(_ string, e *entry) bool { return e.expired(s.now()) })
	return slices.Sorted(maps.Keys(s.entries))
}

// Call answers an operation of the contract; it is a Func.
func (s *Store) Call(operation string, payload []byte) ([]byte, error) {
	op := operations[operation]
	if op == nil {
		return nil, unknown(operation)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return op(s, payload)
}

var operations = map[string]func(s *Store, payload []byte) ([]byte, error){
	contract.Increment: func(s *Store, payload []byte) ([]byte, error) {
		q, err := contract.DecodeIncrementRequest(payload)
		if err != nil {
			return nil, err
		}
		e, err := s.of(aString, q.Key, true)
		if err != nil {
			return nil, err
		}
		n := int64(0)
		if e.text != "" {
			if n, err = strconv.ParseInt(e.text, 10, 64); err != nil {
				return nil, conflict(q.Key, "the value is not an integer")
			}
		}
		if n += int64(q.Value); n < math.MinInt32 || n > math.MaxInt32 {
			return nil, conflict(q.Key, "the counter would overflow")
		}
		e.text = strconv.FormatInt(n, 10)
		return msgpack.EncodeInt(n), nil
	},
	contract.Contains: func(s *Store, payload []byte) ([]byte, error) {
		key, err := msgpack.DecodeStr(payload)
		return msgpack.EncodeBool(s.find(key) != nil), err
	},
	contract.Del:       del,
	contract.ListClear: del,
	contract.SetClear:  del,
	contract.Get: func(s *Store, payload []byte) ([]byte, error) {
		key, err := msgpack.DecodeStr(payload)
		if err != nil {
			return nil, err
		}
		e, err := s.of(aString, key, false)
		if err != nil || e == nil {
			return contract.GetResponse{}.Encode(), err
		}
		return contract.GetResponse{Value: e.text, Exists: true}.Encode(), nil
	},
	contract.Set: func(s *Store, payload []byte) ([]byte, error) {
		q, err := contract.DecodeSetRequest(payload)
		if err != nil {
			return nil, err
		}
		e := &entry{text: q.Value}
		if q.Expires > 0 {
			e.expires = s.now().Add(time.Duration(q.Expires) * time.Second)
		}
		s.entries[q.Key] = e
		return nil, nil
	},
}

func del(s *Store, payload []byte) ([]byte, error) {
	key, err := msgpack.DecodeStr(payload)
	if err != nil {
		return nil, err
	}
	there := s.find(key) != nil
	delete(s.entries, key)
	return msgpack.EncodeBool(there), nil
}

type kind string

const (
	aString kind = "string"
	aList   kind = "list"
	aSet    kind = "set"
)

func (e *entry) kind() kind {
	switch {
	case e.list != nil:
		return aList
	case e.set != nil:
		return aSet
	}
	return aString
}

func (e *entry) expired(now time.Time) bool { return !e.expires.IsZero() && !now.Before(e.expires) }

// find returns what a key holds, nil when there is none or it expired. The caller holds mu.
func (s *Store) find(key string) *entry {
	e := s.entries[key]
	if e != nil && e.expired(s.now()) {
		delete(s.entries, key)
		return nil
	}
	return e
}

// of returns a key's entry of a kind; another kind is an error. A missing one is made when create is set, else nil. The
// caller holds mu.
func (s *Store) of(k kind, key string, create bool) (*entry, error) {
	e := s.find(key)
	if e == nil {
		if !create {
			return nil, nil
		}
		e = new(entry)
		switch k {
		case aList:
			e.list = []string{}
		case aSet:
			e.set = map[string]bool{}
		}
		s.entries[key] = e
	}
	if e.kind() != k {
		return nil, conflict(key, "the key holds a "+string(e.kind())+", not a "+string(k))
	}
	return e, nil
}

func conflict(key, detail string) error {
	return &lattice.Error{Code: lattice.ErrConflict, Entity: key, Detail: detail}
}
