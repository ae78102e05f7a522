// Package keyvalue is what the key-value providers share: the contract's operations around a Store, and their metrics.
// kvtest holds the contract test that every Store passes.
package keyvalue

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/provider"
)

// Store holds strings, counters, lists and sets under keys, as Redis does. Every method is atomic, for callers in any
// number of processes, except that Union and Intersection read one set after the other. Keys and values are any bytes.
// A key holds one kind of value: using it as another is lattice.ErrConflict, and so is counting with what is no number
// of as many bits or would exceed them. A list or set that becomes empty is gone. Changing a value keeps its expiry;
// Set replaces it. Expired keys are absent.
type Store interface {
	Get(ctx context.Context, key string) (value string, exists bool, err error)
	Set(ctx context.Context, key, value string, expires time.Duration) error // 0 is never
	Contains(ctx context.Context, key string) (bool, error)
	Del(ctx context.Context, key string) (existed bool, err error) // whatever kind it is
	Increment(ctx context.Context, key string, by int64, bits Bits) (int64, error)
	// Swap stores q.New if the key holds q.Old, or nothing, as q.Exists says.
	Swap(ctx context.Context, q contract.SwapRequest) (contract.SwapResponse, error)
	// Keys lists strings and counters, from a cursor that it has returned before, or 0, about limit at a time.
	Keys(ctx context.Context, cursor uint64, limit int) (contract.KeysResponse, error)

	ListAdd(ctx context.Context, list, value string) (length uint32, err error)
	ListDel(ctx context.Context, list, value string) (removed bool, err error) // the first that is equal
	// ListRange counts from 0 and includes both ends; negative ends count from the end of the list, -1 is the last.
	ListRange(ctx context.Context, list string, start, stop int32) ([]string, error)

	SetAdd(ctx context.Context, set, value string) (added uint32, err error)
	SetDel(ctx context.Context, set, value string) (removed uint32, err error)
	SetMembers(ctx context.Context, set string) ([]string, error)
	SetUnion(ctx context.Context, sets []string) ([]string, error)
	SetIntersection(ctx context.Context, sets []string) ([]string, error)
}

// Bits is how many bits a counter has: 32 or 64.
type Bits int

// Most is the highest number of so many bits; the lowest is -Most-1.
func (b Bits) Most() int64 { return 1<<(b-1) - 1 }

// Operations are those of the contract, and those beyond it.
var Operations = []string{contract.Increment, contract.Contains, contract.Del, contract.Get, contract.Set,
	contract.ListAdd, contract.ListClear, contract.ListDel, contract.ListRange, contract.SetAdd, contract.SetDel,
	contract.SetIntersection, contract.SetUnion, contract.SetQuery, contract.SetClear, contract.Increment64,
	contract.Swap, contract.Keys}

// Service serves the contract's operations. It is safe for concurrent use.
type Service struct {
	hits, misses prometheus.Counter
}

// NewService registers the metrics of a process.
func NewService(reg prometheus.Registerer) (*Service, error) {
	s := &Service{
		hits: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_keyvalue_hits_total",
			Help: "KeyValue.Get calls that found the key."}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_keyvalue_misses_total",
			Help: "KeyValue.Get calls that did not find the key."}),
	}
	for _, c := range []prometheus.Collector{s.hits, s.misses} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Handle decodes the argument of a call, does it on a store and encodes the result.
func (s *Service) Handle(ctx context.Context, store Store, call provider.Call) ([]byte, error) {
	in := call.Payload
	switch call.Operation {
	case contract.Get:
		return do(in, msgpack.DecodeStr, func(key string) (contract.GetResponse, error) {
			value, exists, err := store.Get(ctx, key)
			if err == nil && exists {
				s.hits.Inc()
			} else if err == nil {
				s.misses.Inc()
			}
			return contract.GetResponse{Value: value, Exists: exists}, err
		}, contract.GetResponse.Encode)
	case contract.Set:
		return do(in, contract.DecodeSetRequest, func(q contract.SetRequest) (struct{}, error) {
			return struct{}{}, store.Set(ctx, q.Key, q.Value, time.Duration(q.Expires)*time.Second)
		}, func(struct{}) []byte { return nil })
	case contract.Contains:
		return do(in, msgpack.DecodeStr, with(ctx, store.Contains), msgpack.EncodeBool)
	case contract.Del, contract.ListClear, contract.SetClear:
		return do(in, msgpack.DecodeStr, with(ctx, store.Del), msgpack.EncodeBool)
	case contract.Increment:
		return do(in, contract.DecodeIncrementRequest, func(q contract.IncrementRequest) (int64, error) {
			return store.Increment(ctx, q.Key, int64(q.Value), 32)
		}, msgpack.EncodeInt)
	case contract.Increment64:
		return do(in, contract.DecodeIncrement64Request, func(q contract.Increment64Request) (int64, error) {
			return store.Increment(ctx, q.Key, q.Value, 64)
		}, msgpack.EncodeInt)
	case contract.Swap:
		return do(in, contract.DecodeSwapRequest, with(ctx, store.Swap), contract.SwapResponse.Encode)
	case contract.Keys:
		return do(in, contract.DecodeKeysRequest, func(q contract.KeysRequest) (contract.KeysResponse, error) {
			limit := int(min(q.Limit, contract.MaxKeys))
			if limit == 0 {
				limit = contract.MaxKeys
			}
			return store.Keys(ctx, q.Cursor, limit)
		}, contract.KeysResponse.Encode)
	case contract.ListAdd:
		return do(in, contract.DecodeListItem, func(q contract.ListItem) (uint32, error) {
			return store.ListAdd(ctx, q.List, q.Value)
		}, encodeUint)
	case contract.ListDel:
		return do(in, contract.DecodeListItem, func(q contract.ListItem) (bool, error) {
			return store.ListDel(ctx, q.List, q.Value)
		}, msgpack.EncodeBool)
	case contract.ListRange:
		return do(in, contract.DecodeRangeRequest, func(q contract.RangeRequest) ([]string, error) {
			return store.ListRange(ctx, q.List, q.Start, q.Stop)
		}, msgpack.EncodeStrs)
	case contract.SetAdd:
		return do(in, contract.DecodeSetItem, func(q contract.SetItem) (uint32, error) {
			return store.SetAdd(ctx, q.Set, q.Value)
		}, encodeUint)
	case contract.SetDel:
		return do(in, contract.DecodeSetItem, func(q contract.SetItem) (uint32, error) {
			return store.SetDel(ctx, q.Set, q.Value)
		}, encodeUint)
	case contract.SetQuery:
		return do(in, msgpack.DecodeStr, with(ctx, store.SetMembers), msgpack.EncodeStrs)
	case contract.SetUnion:
		return do(in, msgpack.DecodeStrs, with(ctx, store.SetUnion), msgpack.EncodeStrs)
	case contract.SetIntersection:
		return do(in, msgpack.DecodeStrs, with(ctx, store.SetIntersection), msgpack.EncodeStrs)
	}
	return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(call.Operation)}
}

func do[Q, R any](in []byte, decode func([]byte) (Q, error), run func(Q) (R, error), encode func(R) []byte) ([]byte,
	error) {
	q, err := decode(in)
	if err != nil {
		return nil, err
	}
	r, err := run(q)
	if err != nil {
		return nil, err
	}
	return encode(r), nil
}

func with[Q, R any](ctx context.Context, f func(context.Context, Q) (R, error)) func(Q) (R, error) {
	return func(q Q) (R, error) { return f(ctx, q) }
}

func encodeUint(n uint32) []byte { return msgpack.EncodeUint(uint64(n)) }

// WrongKind is the error for a key that holds another kind of value.
func WrongKind(key, want string) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "use key", Entity: lattice.Printable(key),
		Detail: "it holds another kind of value than the " + want + " that is wanted"}
}

// NoNumber is the error for counting with a value that is no number.
func NoNumber(key string, bits Bits) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "increment", Entity: lattice.Printable(key),
		Detail: fmt.Sprintf("its value is not a whole number of %d bits", bits)}
}

// Overflow is the error for a counter that would leave its range.
func Overflow(key string, bits Bits) error {
	return &lattice.Error{Code: lattice.ErrConflict, Op: "increment", Entity: lattice.Printable(key),
		Detail: fmt.Sprintf("the result would exceed %d bits; the value is unchanged", bits)}
}

// BadCursor is the error for a cursor that Keys has not returned.
func BadCursor(cursor uint64) error {
	return &lattice.Error{Code: lattice.ErrInvalid, Op: "list keys",
		Detail: fmt.Sprintf("cursor %d is none that came with keys; begin with 0", cursor)}
}
