package keyvaluenats

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/providers/keyvalue"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Kinds of values.
const (
	kindString = ""
	kindList   = "list"
	kindSet    = "set" // members in order
)

// store is the keyvalue.Store of one link: a bucket and a prefix.
type store struct {
	bucket *bucket
	prefix string
}

func (s *store) key(key string) string { return s.prefix + key }

func kindName(kind string) string {
	if kind == kindString {
		return "string"
	}
	return kind
}

// read loads a key as a kind; nil when it is absent.
func (s *store) read(ctx context.Context, key, kind string) (*entry, error) {
	e, _, err := s.bucket.load(ctx, s.key(key))
	if err == nil && e != nil && e.kind != kind {
		return nil, keyvalue.WrongKind(key, kindName(kind))
	}
	return e, err
}

func (s *store) Get(ctx context.Context, key string) (string, bool, error) {
	e, err := s.read(ctx, key, kindString)
	if e == nil || err != nil {
		return "", false, err
	}
	return string(e.data), true, nil
}

func (s *store) Set(ctx context.Context, key, value string, expires time.Duration) error {
	e := &entry{data: []byte(value)}
	if expires > 0 {
		e.expires = time.Now().Add(expires)
	}
	return s.bucket.save(ctx, s.key(key), e, anyRevision)
}

func (s *store) Contains(ctx context.Context, key string) (bool, error) {
	e, _, err := s.bucket.load(ctx, s.key(key))
	return e != nil, err
}

func (s *store) Del(ctx context.Context, key string) (existed bool, err error) {
	err = s.bucket.update(ctx, s.key(key), func(e *entry) (*entry, error) {
		existed = e != nil
		return nil, nil
	})
	return existed, err
}

// Increment takes only what it would itself have written for a number: no spaces, signs or leading zeros, as Redis
// does. Whether the sum has room is asked before it is made.
func (s *store) Increment(ctx context.Context, key string, by int64, bits keyvalue.Bits) (result int64, err error) {
	most := bits.Most()
	err = s.bucket.update(ctx, s.key(key), func(e *entry) (*entry, error) {
		if e == nil {
			e = &entry{data: []byte("0")}
		}
		if e.kind != kindString {
			return nil, keyvalue.WrongKind(key, "counter")
		}
		n, err := strconv.ParseInt(string(e.data), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != string(e.data) { // as strict as Redis
			return nil, keyvalue.NoNumber(key, bits)
		}
		if n > most || n < -most-1 {
			return nil, keyvalue.NoNumber(key, bits)
		}
		if by > 0 && n > most-by || by < 0 && n < -most-1-by {
			return nil, keyvalue.Overflow(key, bits)
		}
		result = n + by
		return &entry{data: strconv.AppendInt(nil, result, 10), expires: e.expires}, nil
	})
	return result, err
}

// Swap compares and stores as one change of the key's revision. Where it does not swap, the entry stays as it is.
func (s *store) Swap(ctx context.Context, q contract.SwapRequest) (p contract.SwapResponse, err error) {
	err = s.bucket.update(ctx, s.key(q.Key), func(e *entry) (*entry, error) {
		if e != nil && e.kind != kindString {
			return nil, keyvalue.WrongKind(q.Key, kindName(kindString))
		}
		p = contract.SwapResponse{Swapped: q.Exists == (e != nil)}
		next := &entry{data: []byte(q.New)}
		if e != nil {
			p.Swapped = p.Swapped && q.Old == string(e.data)
			next.expires = e.expires
		}
		switch {
		case p.Swapped:
			return next, nil
		case e != nil:
			p.Value, p.Exists = string(e.data), true
		}
		return e, nil
	})
	return p, err
}

// maxScan is how many messages of the bucket one call of Keys looks at: those of other prefixes, lists, and marks of
// removed keys among them. Each is a request to the server.
const maxScan = 500

// Keys goes through the bucket's messages: the cursor is the sequence of the last one. When half of the caller's time
// is over, it returns what it has.
func (s *store) Keys(ctx context.Context, cursor uint64, limit int) (contract.KeysResponse, error) {
	var p contract.KeysResponse
	begun := time.Now()
	end, hurried := ctx.Deadline()
	for n := range maxScan {
		if cursor == math.MaxUint64 || n > 0 && hurried && time.Since(begun) > time.Until(end) {
			return p, nil
		}
		key, e, at, err := s.bucket.next(ctx, cursor+1)
		if err != nil {
			return p, err
		}
		if at == 0 {
			p.Cursor = 0
			return p, nil
		}
		cursor, p.Cursor = at, at
		if e == nil || e.kind != kindString {
			continue
		}
		if name, ok := strings.CutPrefix(key, s.prefix); ok {
			if p.Keys = append(p.Keys, name); len(p.Keys) == limit {
				return p, nil
			}
		}
	}
	return p, nil
}

// items are those of a list or set.
func (s *store) items(e *entry) ([]string, error) {
	if e == nil {
		return nil, nil
	}
	list, err := msgpack.DecodeStrs(e.data)
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrConflict, Op: "read", Entity: s.bucket.cfg.Bucket,
			Detail: "a stored " + e.kind + " is damaged", Err: err}
	}
	return list, nil
}

// change edits the items of a list or set; f reports whether it changed anything.
func (s *store) change(ctx context.Context, key, kind string, f func([]string) ([]string, bool)) error {
	return s.bucket.update(ctx, s.key(key), func(e *entry) (*entry, error) {
		if e != nil && e.kind != kind {
			return nil, keyvalue.WrongKind(key, kind)
		}
		list, err := s.items(e)
		if err != nil {
			return nil, err
		}
		list, changed := f(list)
		switch {
		case !changed:
			return e, nil
		case len(list) == 0:
			return nil, nil
		}
		next := &entry{kind: kind, data: msgpack.EncodeStrs(list)}
		if e != nil {
			next.expires = e.expires
		}
		return next, nil
	})
}

func (s *store) ListAdd(ctx context.Context, list, value string) (length uint32, err error) {
	err = s.change(ctx, list, kindList, func(items []string) ([]string, bool) {
		length = uint32(len(items) + 1)
		return append(items, value), true
	})
	return length, err
}

func (s *store) ListDel(ctx context.Context, list, value string) (removed bool, err error) {
	err = s.change(ctx, list, kindList, func(items []string) ([]string, bool) {
		i := slices.Index(items, value)
		if removed = i >= 0; removed {
			items = slices.Delete(items, i, i+1)
		}
		return items, removed
	})
	return removed, err
}

func (s *store) ListRange(ctx context.Context, list string, start, stop int32) ([]string, error) {
	e, err := s.read(ctx, list, kindList)
	if err != nil {
		return nil, err
	}
	items, err := s.items(e)
	if err != nil {
		return nil, err
	}
	from, to, n := int(start), int(stop), len(items)
	if from < 0 {
		from = max(0, from+n)
	}
	if to < 0 {
		to += n
	}
	if to = min(to, n-1); from > to {
		return nil, nil
	}
	return items[from : to+1], nil
}

// SetAdd keeps the members in order, so that a set is one value whatever order they came in.
func (s *store) SetAdd(ctx context.Context, set, value string) (added uint32, err error) {
	err = s.change(ctx, set, kindSet, func(items []string) ([]string, bool) {
		i, found := slices.BinarySearch(items, value)
		if added = 0; !found {
			added = 1
			items = slices.Insert(items, i, value)
		}
		return items, !found
	})
	return added, err
}

func (s *store) SetDel(ctx context.Context, set, value string) (removed uint32, err error) {
	err = s.change(ctx, set, kindSet, func(items []string) ([]string, bool) {
		i, found := slices.BinarySearch(items, value)
		if removed = 0; found {
			removed = 1
			items = slices.Delete(items, i, i+1)
		}
		return items, found
	})
	return removed, err
}

func (s *store) SetMembers(ctx context.Context, set string) ([]string, error) {
	e, err := s.read(ctx, set, kindSet)
	if err != nil {
		return nil, err
	}
	return s.items(e)
}

// SetUnion reads one set after the other: it is not atomic over all of them.
func (s *store) SetUnion(ctx context.Context, sets []string) ([]string, error) {
	var all []string
	for _, set := range sets {
		items, err := s.SetMembers(ctx, set)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (s *store) SetIntersection(ctx context.Context, sets []string) ([]string, error) {
	var common []string
	for i, set := range sets {
		items, err := s.SetMembers(ctx, set)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			common = items
			continue
		}
		common = slices.DeleteFunc(common, func(v string) bool {
			_, found := slices.BinarySearch(items, v)
			return !found
		})
	}
	return common, nil
}
