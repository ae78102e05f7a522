package kvtest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/keyvalue"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Increment64 is KeyValue.Increment64.
func (c *Client) Increment64(key string, by int64) (int64, error) {
	return call(c, contract.Increment64, contract.Increment64Request{Key: key, Value: by}.Encode(),
		func(b []byte) (int64, error) {
			r := msgpack.NewReader(b)
			n := r.Int()
			return n, r.Finish()
		})
}

// Swap is KeyValue.Swap of an old value, or of nothing where exists is not set.
func (c *Client) Swap(key, old string, exists bool, value string) (contract.SwapResponse, error) {
	return call(c, contract.Swap, contract.SwapRequest{Key: key, Old: old, Exists: exists, New: value}.Encode(),
		contract.DecodeSwapResponse)
}

// Keys is KeyValue.Keys until there are no more, sorted. It fails when an answer has more than limit keys and some.
func (c *Client) Keys(limit uint32) ([]string, error) {
	var all []string
	q := contract.KeysRequest{Limit: limit}
	for pages := 0; ; pages++ {
		p, err := call(c, contract.Keys, q.Encode(), contract.DecodeKeysResponse)
		if err != nil || pages > 10_000 {
			return nil, fmt.Errorf("page %d: %w", pages, err)
		}
		if limit > 0 && len(p.Keys) > int(limit)+64 { // Redis takes it for a hint
			return nil, fmt.Errorf("%d keys at once, wanted %d", len(p.Keys), limit)
		}
		all = append(all, p.Keys...)
		if q.Cursor = p.Cursor; q.Cursor == 0 {
			slices.Sort(all)
			return slices.Compact(all), nil
		}
	}
}

func wideCounters(t *testing.T, a, b *Client) {
	is[int64](t, 1<<40)(a.Increment64("n", 1<<40))
	is[int64](t, 1)(b.Increment64("n", 1-1<<40))
	is[int32](t, 2)(a.Increment("n", 1)) // both count the same
	must(t, a.Set("n", fmt.Sprint(math.MaxInt64-1), 0))
	is[int64](t, math.MaxInt64)(b.Increment64("n", 1))
	for _, by := range []int64{1, math.MaxInt64} {
		fails[int64](t, lattice.ErrConflict)(a.Increment64("n", by))
	}
	fails[int32](t, lattice.ErrConflict)(a.Increment("n", 1))
	holds(t, b, "n", fmt.Sprint(math.MaxInt64))
	is[int64](t, -1)(a.Increment64("n", math.MinInt64))
	is[int64](t, math.MinInt64)(a.Increment64("n", -math.MaxInt64))
	fails[int64](t, lattice.ErrConflict)(a.Increment64("n", -1))
	holds(t, b, "n", fmt.Sprint(math.MinInt64))
	must(t, a.Set("n", "1.5", 0))
	_, err := a.Increment64("n", 1)
	fails[int](t, lattice.ErrConflict)(0, err)
	if !strings.Contains(fmt.Sprint(err), "64 bits") {
		t.Errorf("%v, want 64 bits", err)
	}
	is(t, uint32(1))(a.ListAdd("l", "x"))
	fails[int64](t, lattice.ErrConflict)(a.Increment64("l", 1))
}

func swaps(t *testing.T, a, b *Client) {
	swapped := contract.SwapResponse{Swapped: true}
	is(t, contract.SwapResponse{})(a.Swap("k", "", true, "x")) // an empty value is there; this key is not
	absent(t, b, "k")
	is(t, swapped)(a.Swap("k", "", false, ""))
	holds(t, b, "k", "")
	is(t, contract.SwapResponse{Exists: true})(b.Swap("k", "", false, "x"))
	is(t, swapped)(b.Swap("k", "", true, "\x00\xff"))
	is(t, contract.SwapResponse{Value: "\x00\xff", Exists: true})(a.Swap("k", "\x00", true, "x"))
	holds(t, a, "k", "\x00\xff")
	is(t, swapped)(a.Swap("k", "\x00\xff", true, "\x00\xff")) // for itself
	is(t, uint32(1))(a.SetAdd("set", "x"))
	fails[contract.SwapResponse](t, lattice.ErrConflict)(a.Swap("set", "x", true, "y"))
	members(t, "x")(b.SetQuery("set"))
	// An expiry stays.
	must(t, a.Set("lasting", "1", 3600))
	must(t, a.Set("short", "1", 1))
	is(t, swapped)(b.Swap("lasting", "1", true, "2"))
	if p, err := b.Swap("short", "1", true, "2"); err != nil || !p.Swapped && p.Exists {
		t.Errorf("swap of what expires soon: %+v, %v", p, err)
	}
	gone(t, a, "short")
	is(t, swapped)(a.Swap("short", "", false, "new")) // born without expiry
	holds(t, b, "lasting", "2")
}

func listedKeys(t *testing.T, a, b *Client) {
	are(t)(a.Keys(0))
	want := slices.Clone(oddKeys)
	for i, key := range want {
		must(t, a.Set(key, fmt.Sprint(i), 0))
	}
	is(t, uint32(1))(a.ListAdd("a list", "x"))
	is(t, uint32(1))(a.SetAdd("a set", "x"))
	must(t, a.Set("removed", "", 0))
	is(t, true)(a.Del("removed"))
	must(t, a.Set("short", "", 1))
	is[int32](t, 1)(a.Increment("a counter", 1))
	want = append(want, "a counter")
	slices.Sort(want)
	gone(t, a, "short")
	for _, limit := range []uint32{0, 1, 7, math.MaxUint32} {
		got, err := b.Keys(limit)
		are(t, want...)(got, err)
	}
	// More than one answer holds.
	want = want[:0]
	for i := range 1200 {
		key := fmt.Sprintf("many %4d", i)
		must(t, a.Set(key, "", 0))
		want = append(want, key)
	}
	got, err := b.Keys(0)
	got = slices.DeleteFunc(got, func(k string) bool { return !strings.HasPrefix(k, "many ") })
	are(t, want...)(got, err)
}

func concurrentSwaps(t *testing.T, a, b *Client) {
	must(t, a.Set("k", "0", 0))
	together(a, b, func(c *Client, _ int) {
		for range rounds {
			p := contract.SwapResponse{Value: "0", Exists: true}
			for range 100_000 {
				var n int
				if _, err := fmt.Sscan(p.Value, &n); err != nil {
					t.Errorf("%q: %v", p.Value, err)
					return
				}
				var err error
				if p, err = c.Swap("k", p.Value, true, fmt.Sprint(n+1)); err != nil {
					t.Error(err)
					return
				}
				if p.Swapped {
					break
				}
			}
			if !p.Swapped {
				t.Error("others were always faster")
			}
		}
	})
	holds(t, a, "k", fmt.Sprint(callers*rounds))
}

func concurrentWideCounters(t *testing.T, a, b *Client) {
	must(t, a.Set("n", fmt.Sprint(1<<40), 0))
	var mu sync.Mutex
	seen := map[int64]bool{}
	together(a, b, func(c *Client, _ int) {
		for range rounds {
			n, err := c.Increment64("n", 1)
			mu.Lock()
			if err != nil || seen[n] {
				t.Errorf("increment answers %d, seen before %v, %v", n, seen[n], err)
			}
			seen[n] = true
			mu.Unlock()
		}
	})
	holds(t, a, "n", fmt.Sprint(1<<40+callers*rounds))
}
