package keyvalue

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// fake is a provider. It knows the contract alone when plain is set.
type fake struct {
	values map[string]string // by link/key
	plain  bool
	fails  error
	asked  []string
	state  face.State
	warned []string
}

func newFake() *fake {
	f := &fake{values: map[string]string{}}
	f.state.Ask = f.ask
	f.state.Warn = func(_ context.Context, text string) { f.warned = append(f.warned, text) }
	return f
}

func (f *fake) ask(_ context.Context, link lattice.LinkName, id lattice.ContractID, operation string,
	in []byte) ([]byte, error) {
	if f.asked = append(f.asked, operation); id != contract.ID {
		return nil, errors.New(string("contract " + id))
	}
	if f.fails != nil {
		return nil, f.fails
	}
	at := func(key string) string { return string(link) + "/" + key }
	switch operation {
	case contract.Get, contract.Contains, contract.Del:
		key, err := msgpack.DecodeStr(in)
		v, ok := f.values[at(key)]
		switch operation {
		case contract.Get:
			return contract.GetResponse{Value: v, Exists: ok}.Encode(), err
		case contract.Del:
			delete(f.values, at(key))
		}
		return msgpack.EncodeBool(ok), err
	case contract.Set:
		q, err := contract.DecodeSetRequest(in)
		f.values[at(q.Key)] = q.Value
		return nil, err
	case contract.Increment:
		q, err := contract.DecodeIncrementRequest(in)
		return msgpack.EncodeInt(f.add(at(q.Key), int64(q.Value))), err
	}
	if f.plain {
		return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "Method not handled " + operation}
	}
	switch operation {
	case contract.Increment64:
		q, err := contract.DecodeIncrement64Request(in)
		return msgpack.EncodeInt(f.add(at(q.Key), q.Value)), err
	case contract.Swap:
		q, err := contract.DecodeSwapRequest(in)
		v, ok := f.values[at(q.Key)]
		if v != q.Old || ok != q.Exists {
			return contract.SwapResponse{Value: v, Exists: ok}.Encode(), err
		}
		f.values[at(q.Key)] = q.New
		return contract.SwapResponse{Swapped: true}.Encode(), err
	case contract.Keys: // two at a time
		q, err := contract.DecodeKeysRequest(in)
		var all []string
		for k := range f.values {
			if key, ok := strings.CutPrefix(k, string(link)+"/"); ok {
				all = append(all, key)
			}
		}
		slices.Sort(all)
		all = all[min(len(all), int(q.Cursor)):]
		p := contract.KeysResponse{Keys: all[:min(2, len(all))]}
		if len(all) > 2 {
			p.Cursor = q.Cursor + 2
		}
		return p.Encode(), err
	}
	return nil, lattice.ErrNotFound
}

func (f *fake) add(key string, by int64) int64 {
	n, _ := strconv.ParseInt(f.values[key], 10, 64)
	f.values[key] = strconv.FormatInt(n+by, 10)
	return n + by
}

// call calls a function of an interface of wasi:keyvalue.
func (f *fake) call(t *testing.T, name, function string, args ...any) any {
	t.Helper()
	v, err := f.try(t, name, function, args...)
	if err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	return v
}

func (f *fake) try(t *testing.T, name, function string, args ...any) (any, error) {
	t.Helper()
	have, ok := Family.Functions["wasi:keyvalue/"+name][function]
	if !ok {
		t.Fatalf("%s has no %s", name, function)
	}
	return have.Call(&face.Call{Context: t.Context(), State: &f.state, Pay: func(int) {}}, args)
}

func (f *fake) open(t *testing.T, name string) any {
	return good(t, f.call(t, "store@0.2.0-draft", "open", name))
}

func good(t *testing.T, v any) any {
	t.Helper()
	if v.(abi.Variant).Case != 0 {
		t.Fatalf("failed: %+v", v)
	}
	return v.(abi.Variant).Value
}

// bad is an error, and its text where it has one.
func bad(t *testing.T, v any) (uint32, string) {
	t.Helper()
	if v.(abi.Variant).Case != 1 {
		t.Fatalf("did not fail: %+v", v)
	}
	e := v.(abi.Variant).Value.(abi.Variant)
	text, _ := e.Value.(string)
	return e.Case, text
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, want %#v", got, want)
	}
}

// Any bytes that a guest sets it gets back, from a bucket of either draft.
func TestValuesAreAnyBytes(t *testing.T) {
	for _, draft := range []string{"store@0.2.0-draft", "store@0.2.0-draft2"} {
		f := newFake()
		b := good(t, f.call(t, draft, "open", "default"))
		equal(t, good(t, f.call(t, draft, "[method]bucket.get", b, "k")), face.None)
		value := []byte{0, 0xff, 0xfe, 'x', 0x80}
		good(t, f.call(t, draft, "[method]bucket.set", b, "k", value))
		equal(t, good(t, f.call(t, draft, "[method]bucket.get", b, "k")), face.Some(value))
		equal(t, good(t, f.call(t, draft, "[method]bucket.exists", b, "k")), true)
		good(t, f.call(t, draft, "[method]bucket.delete", b, "k"))
		equal(t, good(t, f.call(t, draft, "[method]bucket.exists", b, "k")), false)
		good(t, f.call(t, draft, "[method]bucket.delete", b, "k")) // what is not there is no error
	}
}

// A bucket is a link by its name; the default one is that which the guest has chosen.
func TestBucketsAreLinks(t *testing.T) {
	f := newFake()
	set := func(bucket any, v string) {
		good(t, f.call(t, "store@0.2.0-draft", "[method]bucket.set", bucket, "k", []byte(v)))
	}
	first, cache := f.open(t, ""), f.open(t, "cache")
	set(first, "1")
	set(cache, "2")
	f.state.SetLink("wasi:keyvalue/store", "other")
	set(first, "3")
	set(cache, "4")
	equal(t, f.values, map[string]string{"default/k": "1", "cache/k": "4", "other/k": "3"})
	// The choice is for an interface.
	good(t, f.call(t, "atomics@0.2.0-draft2", "increment", first, "n", int64(1)))
	equal(t, f.values["default/n"], "1")
	if n, _ := bad(t, f.call(t, "store@0.2.0-draft", "open", "no.such*name")); n != noSuchStore {
		t.Errorf("case %d", n)
	}
}

// The way out is in the error of a missing link, and the contract in that of a missing claim.
func TestRefusalsAreTold(t *testing.T) {
	f := newFake()
	b := f.open(t, "cache")
	f.fails = &lattice.Error{Code: lattice.ErrUnlinked,
		Detail: "for wasmcloud:keyvalue on x, link name cache; make one with: weft link put M PROVIDER"}
	n, text := bad(t, f.call(t, "store@0.2.0-draft", "[method]bucket.get", b, "k"))
	if n != other || !strings.Contains(text, "link name cache") || !strings.Contains(text, "weft link put") {
		t.Errorf("case %d: %s", n, text)
	}
	f.fails = &lattice.Error{Code: lattice.ErrMissingCapability, Detail: "for wasmcloud:keyvalue"}
	for range 3 {
		if n, _ := bad(t, f.call(t, "batch@0.2.0-draft2", "get-many", b, []any{"k"})); n != accessDenied {
			t.Errorf("case %d", n)
		}
	}
	if len(f.warned) != 1 || !strings.Contains(f.warned[0], "wasmcloud:keyvalue") {
		t.Errorf("log %q", f.warned)
	}
	f.fails = errors.New(strings.Repeat("é\xff", face.MaxTold))
	if _, text := bad(t, f.call(t, "store@0.2.0-draft", "[method]bucket.exists", b, "k")); len(text) > face.MaxTold ||
		text != strings.ToValidUTF8(text, "") {
		t.Errorf("%d bytes, or no text", len(text))
	}
}

// The drafts count with other types. A provider that knows the contract alone counts 32 bits.
func TestCounters(t *testing.T) {
	f := newFake()
	b := f.open(t, "")
	equal(t, good(t, f.call(t, "atomics@0.2.0-draft", "increment", b, "n", uint64(1<<40))), uint64(1<<40))
	equal(t, good(t, f.call(t, "atomics@0.2.0-draft2", "increment", b, "n", int64(-1<<41))), int64(-1<<40))
	if n, text := bad(t, f.call(t, "atomics@0.2.0-draft", "increment", b, "n", uint64(1))); n != other ||
		!strings.Contains(text, "-1099511627775") {
		t.Errorf("a negative counter: %s", text)
	}
	if _, text := bad(t, f.call(t, "atomics@0.2.0-draft", "increment", b,
		"n", uint64(math.MaxUint64))); !strings.Contains(text,
		"18446744073709551615") {
		t.Errorf("by 2^64-1: %s", text)
	}
	f.plain = true
	equal(t, good(t, f.call(t, "atomics@0.2.0-draft", "increment", b, "m", uint64(5))), uint64(5))
	if _, text := bad(t, f.call(t, "atomics@0.2.0-draft2", "increment", b, "m", int64(1<<40))); !strings.Contains(text,
		"KeyValue.Increment64") {
		t.Errorf("plain provider: %s", text)
	}
}

// A swap fails when another was faster, and comes with a handle for the next attempt.
func TestCompareAndSwap(t *testing.T) {
	const face2 = "atomics@0.2.0-draft2"
	f := newFake()
	b := f.open(t, "")
	o := good(t, f.call(t, face2, "[static]cas.new", b, "k"))
	equal(t, good(t, f.call(t, face2, "[method]cas.current", o)), face.None)
	f.values["default/k"] = "theirs"
	v := f.call(t, face2, "swap", o, []byte("ours")).(abi.Variant)
	failed := v.Value.(abi.Variant)
	if v.Case != 1 || failed.Case != casFailed {
		t.Fatalf("%+v", v)
	}
	equal(t, good(t, f.call(t, face2, "[method]cas.current", failed.Value)), face.Some([]byte("theirs")))
	good(t, f.call(t, face2, "swap", failed.Value, []byte("ours")))
	equal(t, f.values["default/k"], "ours")
	if f.state.Held() != 0 {
		t.Errorf("%d bytes held", f.state.Held())
	}
	// What handles hold is bounded, and comes back when they are dropped.
	f.values["default/k"] = strings.Repeat("x", 1<<20)
	var made []any
	for {
		v, err := f.try(t, face2, "[static]cas.new", b, "k")
		if err != nil {
			break
		}
		if made = append(made, good(t, v)); len(made) > 10 {
			t.Fatal("handles without end")
		}
	}
	if len(made) < 3 {
		t.Errorf("%d handles", len(made))
	}
	for _, o := range made {
		o.(face.Dropped).Drop()
	}
	equal(t, f.state.Held(), 0)
	f.plain = true
	o = good(t, f.call(t, face2, "[static]cas.new", b, "none"))
	v = f.call(t, face2, "swap", o, []byte("x")).(abi.Variant)
	if e := v.Value.(abi.Variant); v.Case != 1 || e.Case != casStoreError ||
		!strings.Contains(e.Value.(abi.Variant).Value.(string), "KeyValue.Swap") {
		t.Errorf("plain provider: %+v", v)
	}
}

// All keys come, by cursors of both drafts.
func TestListKeys(t *testing.T) {
	f := newFake()
	b := f.open(t, "")
	for _, k := range []string{"a", "b", "c", "d", "e", "\xff"} {
		f.values["default/"+k] = ""
	}
	for name, step := range map[string]func(cursor any) any{
		"store@0.2.0-draft":  func(c any) any { return c.(uint64) },
		"store@0.2.0-draft2": func(c any) any { return c.(string) },
	} {
		cursor, keys, pages := face.None, []any{}, 0
		for pages < 10 {
			p := good(t, f.call(t, name, "[method]bucket.list-keys", b, cursor)).([]any)
			keys = append(keys, p[0].([]any)...)
			pages++
			next := p[1].(abi.Variant)
			if next.Case == 0 {
				break
			}
			cursor = face.Some(step(next.Value))
		}
		equal(t, keys, []any{"a", "b", "c", "d", "e"}) // no guest can name the other
		equal(t, pages, 3)
	}
	if _, text := bad(t, f.call(t, "store@0.2.0-draft2", "[method]bucket.list-keys", b,
		face.Some("next"))); !strings.Contains(text, "next") {
		t.Errorf("a cursor that is none: %s", text)
	}
	f.plain = true
	if _, text := bad(t, f.call(t, "store@0.2.0-draft", "[method]bucket.list-keys", b,
		face.None)); !strings.Contains(text, "KeyValue.Keys") {
		t.Errorf("plain provider: %s", text)
	}
}

// The drafts write what get-many found in two ways.
func TestBatches(t *testing.T) {
	f := newFake()
	b := f.open(t, "")
	pairs := []any{[]any{"a", []byte("1")}, []any{"b", []byte{0xff}}}
	good(t, f.call(t, "batch@0.2.0-draft", "set-many", b, pairs))
	keys := []any{"a", "none", "b"}
	equal(t, good(t, f.call(t, "batch@0.2.0-draft", "get-many", b, keys)),
		[]any{face.Some(pairs[0]), face.None, face.Some(pairs[1])})
	equal(t, good(t, f.call(t, "batch@0.2.0-draft2", "get-many", b, keys)),
		[]any{[]any{"a", face.Some([]byte("1"))}, []any{"none", face.None}, []any{"b", face.Some([]byte{0xff})}})
	good(t, f.call(t, "batch@0.2.0-draft2", "delete-many", b, keys))
	equal(t, len(f.values), 0)
	if _, text := bad(t, f.call(t, "batch@0.2.0-draft", "get-many", b, make([]any, many+1))); !strings.Contains(text,
		"10001 keys") {
		t.Errorf("too many: %s", text)
	}
}

// A batch of large values is refused before the host holds all of them.
func TestABatchOfLargeValuesIsRefused(t *testing.T) {
	f := newFake()
	b := f.open(t, "")
	f.values["default/k"] = strings.Repeat("v", 1<<20)
	keys := slices.Repeat([]any{"k"}, 100)
	equal(t, len(good(t, f.call(t, "batch@0.2.0-draft2", "get-many", b, keys[:15])).([]any)), 15)
	f.asked = nil
	_, text := bad(t, f.call(t, "batch@0.2.0-draft2", "get-many", b, keys))
	if text != "get-many finds more than 16 MiB: ask for fewer keys at once" || len(f.asked) != 16 {
		t.Errorf("%q after %d calls", text, len(f.asked))
	}
}
