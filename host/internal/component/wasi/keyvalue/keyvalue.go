// Package keyvalue is wasi:keyvalue on the contract wasmcloud:keyvalue.
//
// A bucket is a link, by its name. "" and "default" are the link that the guest has chosen by wasmcloud:bus, or the
// default one. Values are any bytes: the contract calls them strings, and providers of weft take them as they are. One
// that takes only text refuses others.
//
// The two drafts differ in types alone: each function is made once, around those.
package keyvalue

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Family is both drafts of wasi:keyvalue that are in use. A component that exports watcher is
// refused: nothing would call it.
var Family = face.Family{Functions: map[string]map[string]face.Func{
	"wasi:keyvalue/store@0.2.0-draft":   store(cursorNumber),
	"wasi:keyvalue/atomics@0.2.0-draft": {"increment": increment(unsigned)},
	"wasi:keyvalue/batch@0.2.0-draft":   batch(pairOrNone),
	"wasi:keyvalue/store@0.2.0-draft2":  store(cursorText),
	"wasi:keyvalue/atomics@0.2.0-draft2": {"increment": increment(signed), "[static]cas.new": newCAS,
		"[method]cas.current": current, "swap": swap},
	"wasi:keyvalue/batch@0.2.0-draft2": batch(keyAndOption),
}, Contracts: map[string]lattice.ContractID{
	"wasi:keyvalue/store@0.2.0-draft": contract.ID, "wasi:keyvalue/store@0.2.0-draft2": contract.ID,
	"wasi:keyvalue/atomics@0.2.0-draft": contract.ID, "wasi:keyvalue/atomics@0.2.0-draft2": contract.ID,
	"wasi:keyvalue/batch@0.2.0-draft": contract.ID, "wasi:keyvalue/batch@0.2.0-draft2": contract.ID,
}}

// Interfaces, as wasmcloud:bus names them.
const (
	storeFace   = "wasi:keyvalue/store"
	atomicsFace = "wasi:keyvalue/atomics"
	batchFace   = "wasi:keyvalue/batch"
)

// bucket is the resource of that name.
type bucket struct{ link lattice.LinkName } // "": chosen when it is used

// LikeFor is the bucket for an instance that is restored: it is the same for all.
func (b *bucket) LikeFor(*face.State) any { return b }

// Cases of store's error.
const (
	noSuchStore = iota
	accessDenied
	other
)

func failed(text string) abi.Variant { return abi.Variant{Case: other, Value: text} }

// storeError is an error for the guest. What refuses a call is told to the actor's log besides, since its case has no
// text.
func storeError(c *face.Call, err error) abi.Variant {
	text := face.Told(err)
	switch lattice.CodeOf(err) {
	case lattice.ErrMissingCapability, lattice.ErrDenied:
		c.State.WarnOnce(c.Context, text)
		return abi.Variant{Case: accessDenied}
	}
	return failed(text)
}

// ask makes a call of an operation by the bucket's link. faceName is the interface that the guest calls.
func ask[R any](c *face.Call, b *bucket, faceName, operation string, payload []byte, decode func([]byte) (R, error)) (
	result R, err error) {
	link := b.link
	if link == "" {
		link = c.State.Link(faceName)
	}
	out, err := c.State.Ask(c.Context, link, contract.ID, operation, payload)
	if err != nil {
		return result, err
	}
	return decode(out)
}

// own is ask for operations that only providers of weft know.
func own[R any](c *face.Call, b *bucket, faceName, operation string, payload []byte, decode func([]byte) (R, error)) (R,
	error) {
	result, err := ask(c, b, faceName, operation, payload, decode)
	switch lattice.CodeOf(err) {
	case lattice.ErrNotFound, lattice.ErrGuest: // the latter is how others say it
		err = &lattice.Error{Code: lattice.CodeOf(err), Err: err,
			Detail: "keyvalue-redis and keyvalue-nats of weft know " + operation + "; another provider may not"}
	}
	return result, err
}

func nothing([]byte) (struct{}, error) { return struct{}{}, nil }

func get(c *face.Call, b *bucket, faceName, key string) (contract.GetResponse, error) {
	return ask(c, b, faceName, contract.Get, msgpack.EncodeStr(key), contract.DecodeGetResponse)
}

func set(c *face.Call, b *bucket, faceName, key string, value []byte) error {
	_, err := ask(c, b, faceName, contract.Set, contract.SetRequest{Key: key, Value: string(value)}.Encode(), nothing)
	return err
}

func del(c *face.Call, b *bucket, faceName, key string) error {
	_, err := ask(c, b, faceName, contract.Del, msgpack.EncodeStr(key), msgpack.DecodeBool)
	return err
}

func value(p contract.GetResponse) any {
	if !p.Exists {
		return face.None
	}
	return face.Some([]byte(p.Value))
}

// answer is the result of a function: v, or the error.
func answer(c *face.Call, v any, err error) (any, error) {
	if err != nil {
		return face.Bad(storeError(c, err)), nil
	}
	return face.Good(v), nil
}

func onBucket(f func(c *face.Call, b *bucket, args []any) (any, error)) face.Func {
	return face.Method(face.Much, func(c *face.Call, b *bucket, args []any) (any, error) {
		v, err := f(c, b, args)
		return answer(c, v, err)
	})
}

// cursorType is how a draft writes cursors.
type cursorType struct {
	read  func(v any) (uint64, error)
	write func(cursor uint64) any
}

var cursorNumber = cursorType{
	read:  func(v any) (uint64, error) { return v.(uint64), nil },
	write: func(n uint64) any { return n },
}

var cursorText = cursorType{
	read: func(v any) (uint64, error) {
		n, err := strconv.ParseUint(v.(string), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no cursor of list-keys", lattice.Printable(v.(string)))
		}
		return n, nil
	},
	write: func(n uint64) any { return strconv.FormatUint(n, 10) },
}

func store(cursor cursorType) map[string]face.Func {
	return map[string]face.Func{
		"open": {Call: func(_ *face.Call, args []any) (any, error) {
			name := args[0].(string)
			if name == string(lattice.DefaultLink) {
				name = ""
			}
			if _, err := lattice.ParseLinkName(name); err != nil {
				return face.Bad(abi.Variant{Case: noSuchStore}), nil
			}
			return face.Good(face.Rep(&bucket{lattice.LinkName(name)})), nil
		}},
		"[method]bucket.get": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			p, err := get(c, b, storeFace, args[0].(string))
			return value(p), err
		}),
		"[method]bucket.set": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return nil, set(c, b, storeFace, args[0].(string), args[1].([]byte))
		}),
		"[method]bucket.delete": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return nil, del(c, b, storeFace, args[0].(string))
		}),
		"[method]bucket.exists": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return ask(c, b, storeFace, contract.Contains, msgpack.EncodeStr(args[0].(string)), msgpack.DecodeBool)
		}),
		"[method]bucket.list-keys": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return listKeys(c, b, args[0].(abi.Variant), cursor)
		}),
	}
}

func listKeys(c *face.Call, b *bucket, from abi.Variant, cursor cursorType) (any, error) {
	var q contract.KeysRequest
	if from.Case == 1 {
		n, err := cursor.read(from.Value)
		if err != nil {
			return nil, err
		}
		q.Cursor = n
	}
	p, err := own(c, b, storeFace, contract.Keys, q.Encode(), contract.DecodeKeysResponse)
	if err != nil {
		return nil, err
	}
	keys := make([]any, 0, len(p.Keys))
	for _, k := range p.Keys {
		if utf8.ValidString(k) { // no guest can name another
			keys = append(keys, k)
		}
	}
	next := face.None
	if p.Cursor != 0 {
		next = face.Some(cursor.write(p.Cursor))
	}
	return []any{keys, next}, nil
}

// counterType is how a draft writes counters.
type counterType struct {
	read  func(v any) (int64, error)
	write func(n int64) (any, error)
}

var signed = counterType{
	read:  func(v any) (int64, error) { return v.(int64), nil },
	write: func(n int64) (any, error) { return n, nil },
}

var unsigned = counterType{
	read: func(v any) (int64, error) {
		if n := v.(uint64); n <= math.MaxInt64 {
			return int64(n), nil
		}
		return 0, fmt.Errorf("increment by %d: counters have 63 bits and a sign", v)
	},
	write: func(n int64) (any, error) {
		if n < 0 {
			return nil, fmt.Errorf("the counter is %d, which this version of wasi:keyvalue cannot say; "+
				"it is incremented", n)
		}
		return uint64(n), nil
	},
}

func increment(counter counterType) face.Func {
	return onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
		by, err := counter.read(args[1])
		if err != nil {
			return nil, err
		}
		n, err := add(c, b, args[0].(string), by)
		if err != nil {
			return nil, err
		}
		return counter.write(n)
	})
}

// add increments by the contract's own operation where the provider knows no other, which has 32 bits.
func add(c *face.Call, b *bucket, key string, by int64) (int64, error) {
	n, err := own(c, b, atomicsFace, contract.Increment64, contract.Increment64Request{Key: key, Value: by}.Encode(),
		func(out []byte) (int64, error) {
			r := msgpack.NewReader(out)
			n := r.Int()
			return n, r.Finish()
		})
	code := lattice.CodeOf(err)
	if code != lattice.ErrNotFound && code != lattice.ErrGuest || by != int64(int32(by)) {
		return n, err
	}
	small, err := ask(c, b, atomicsFace, contract.Increment, contract.IncrementRequest{Key: key,
		Value: int32(by)}.Encode(), msgpack.DecodeInt32)
	return int64(small), err
}

// What one call of a batch does at most.
const (
	many     = 10_000   // calls
	maxFound = 16 << 20 // bytes of keys and values that get-many finds
)

func batch(found func(key string, v any) any) map[string]face.Func {
	each := func(list []any, f func(e any) error) error {
		if len(list) > many {
			return fmt.Errorf("%d keys in one call, %d allowed", len(list), many)
		}
		for _, e := range list {
			if err := f(e); err != nil {
				return err
			}
		}
		return nil
	}
	return map[string]face.Func{
		"get-many": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			keys, size := args[0].([]any), 0
			all := make([]any, 0, len(keys))
			err := each(keys, func(e any) error {
				p, err := get(c, b, batchFace, e.(string))
				if err != nil {
					return err
				}
				if size += len(e.(string)) + len(p.Value); size > maxFound {
					return fmt.Errorf("get-many finds more than %d MiB: ask for fewer keys at once", maxFound>>20)
				}
				all = append(all, found(e.(string), value(p)))
				return nil
			})
			return all, err
		}),
		"set-many": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return nil, each(args[0].([]any), func(e any) error {
				pair := e.([]any)
				return set(c, b, batchFace, pair[0].(string), pair[1].([]byte))
			})
		}),
		"delete-many": onBucket(func(c *face.Call, b *bucket, args []any) (any, error) {
			return nil, each(args[0].([]any), func(e any) error { return del(c, b, batchFace, e.(string)) })
		}),
	}
}

// pairOrNone and keyAndOption are how the drafts write what get-many found.
func pairOrNone(key string, found any) any {
	v := found.(abi.Variant)
	if v.Case == 0 {
		return face.None
	}
	return face.Some([]any{key, v.Value})
}

func keyAndOption(key string, found any) any { return []any{key, found} }
