// Package kvtest holds the contract test that every key-value provider passes, through invocations and on its real
// store.
package kvtest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/provider/providertest"
)

// Run checks the contract. Links get the values of cfg, whose prefix is followed by one of their own; two processes
// share the store.
func Run(t *testing.T, cfg providertest.Config) {
	env := providertest.NewLattice(t)
	a, b := providertest.Start(t, env, cfg), providertest.Start(t, env, cfg)
	link := func(t *testing.T, p *providertest.Process, prefix string) *Client {
		values := map[string]string{}
		maps.Copy(values, cfg.Values(t, 0)) // there may be none
		values["prefix"] += prefix
		return Link(t, p, values)
	}
	for name, check := range map[string]func(t *testing.T, a, b *Client){
		"strings": stringsKept, "keys": keys, "expiry": expiry, "counters": counters, "lists": lists, "sets": sets,
		"kinds apart": kinds, "large values": large, "concurrent counters": concurrentCounters,
		"wide counters": wideCounters, "swaps": swaps, "listed keys": listedKeys, "concurrent swaps": concurrentSwaps,
		"concurrent wide counters": concurrentWideCounters, "concurrent lists": concurrentLists,
		"concurrent sets": concurrentSets, "concurrent deletes": concurrentDeletes,
	} {
		t.Run(name, func(t *testing.T) {
			prefix := nuid.Next() + ":"
			check(t, link(t, a, prefix), link(t, b, prefix))
		})
	}
	t.Run("prefixes apart", func(t *testing.T) {
		x, y := link(t, a, nuid.Next()), link(t, a, nuid.Next())
		must(t, x.Set("k", "x", 0))
		if got, err := y.Get("k"); err != nil || got.Exists {
			t.Errorf("another prefix sees %+v, %v", got, err)
		}
	})
	t.Run("hits and misses", func(t *testing.T) {
		c := link(t, b, nuid.Next())
		must(t, c.Set("k", "v", 0))
		before := metrics(b)
		for _, key := range []string{"k", "k", "none"} {
			_, err := c.Get(key)
			must(t, err)
		}
		after := metrics(b)
		if after["hits"]-before["hits"] != 2 || after["misses"]-before["misses"] != 1 {
			t.Errorf("counted %v after %v, want 2 hits and 1 miss more", after, before)
		}
	})
}

func metrics(p *providertest.Process) map[string]int {
	count := map[string]int{}
	for line := range strings.Lines(p.Metrics()) {
		for _, name := range []string{"hits", "misses"} {
			if strings.HasPrefix(line, "weft_keyvalue_"+name+"_total{") {
				var n int
				_, _ = fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &n)
				count[name] = n
			}
		}
	}
	return count
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is checks a result.
func is[R comparable](t testing.TB, want R) func(R, error) {
	t.Helper()
	return func(got R, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

// are checks a list.
func are(t testing.TB, want ...string) func([]string, error) {
	t.Helper()
	return func(got []string, err error) {
		t.Helper()
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %.200q, %v; want %.200q", got, err, want)
		}
	}
}

// members checks a set, which has no order.
func members(t testing.TB, want ...string) func([]string, error) {
	t.Helper()
	return func(got []string, err error) {
		t.Helper()
		slices.Sort(got)
		are(t, want...)(got, err)
	}
}

// fails checks for an error.
func fails[R any](t testing.TB, want lattice.Code) func(R, error) {
	t.Helper()
	return func(got R, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

func holds(t testing.TB, c *Client, key, want string) {
	t.Helper()
	if got, err := c.Get(key); err != nil || !got.Exists || got.Value != want {
		t.Errorf("key %q holds %.100q, exists %v, %v; want %.100q", key, got.Value, got.Exists, err, want)
	}
}

func absent(t testing.TB, c *Client, key string) {
	t.Helper()
	if got, err := c.Get(key); err != nil || got.Exists || got.Value != "" {
		t.Errorf("key %q holds %.100q, exists %v, %v; want nothing", key, got.Value, got.Exists, err)
	}
	is(t, false)(c.Contains(key))
}

func stringsKept(t *testing.T, a, b *Client) {
	absent(t, a, "k")
	is(t, false)(a.Del("k"))
	for _, value := range []string{"one", "", "two\nlines", "ünïcödé ☃ 𝄞", "\x00\xff\xfe", "null"} {
		must(t, a.Set("k", value, 0))
		holds(t, a, "k", value)
		holds(t, b, "k", value)
	}
	is(t, true)(b.Contains("k"))
	is(t, true)(b.Del("k"))
	is(t, false)(a.Del("k"))
	absent(t, a, "k")
	must(t, b.Set("k", "again", 0))
	holds(t, a, "k", "again")
}

var oddKeys = []string{"", " ", ".", "..", "a.b", "a..b", ".a", "a.", "*", ">", "a.>", "=", "=0",
	"=41", "A", "a", "a b",
	"a\tb", "a\r\nb",
	"$KV", "edge:0123", "ключ", "鍵", "\x00", "\xff\xfe", strings.Repeat("long", 1000),
	strings.Repeat("long", 1000) + "!", strings.Repeat("é.", 400), "a/b", "a\\b"}

func keys(t *testing.T, a, b *Client) {
	odd := oddKeys
	for i, key := range odd {
		must(t, a.Set(key, fmt.Sprint(i), 0))
	}
	for i, key := range odd {
		holds(t, b, key, fmt.Sprint(i))
	}
	for _, key := range odd {
		is(t, true)(b.Del(key))
	}
}

// expired waits until a key is gone, and checks that it is gone neither too early nor too late: it is not found there
// by a request that begins a second after it has expired.
func expired(t *testing.T, c *Client, key string, set time.Time, expires time.Duration) {
	t.Helper()
	latticetest.Eventually(t, func() error {
		asked := time.Now()
		got, err := c.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		if late := asked.Sub(set); got.Exists && late > expires+time.Second {
			t.Fatalf("there after %v, want %v", late, expires)
		} else if got.Exists {
			return fmt.Errorf("key %s is still there", key)
		}
		if gone := time.Since(set); gone < expires-20*time.Millisecond {
			t.Errorf("gone after %v, want %v", gone, expires)
		}
		return nil
	})
}

// gone waits until a key is not found.
func gone(t *testing.T, c *Client, key string) {
	t.Helper()
	latticetest.Eventually(t, func() error {
		if got, err := c.Get(key); err != nil || got.Exists {
			return fmt.Errorf("key %s is still there, %w", key, err)
		}
		return nil
	})
}

func expiry(t *testing.T, a, b *Client) {
	start := time.Now()
	for key, expires := range map[string]uint32{"get": 1, "increment": 1, "list": 1, "set": 1, "del": 1, "counter": 2,
		"replaced": 1, "lasting": 1, "year": 31536000} {
		must(t, a.Set(key, "5", expires))
	}
	must(t, a.Set("replaced", "6", 0)) // Set replaces the expiry
	must(t, a.Set("lasting", "6", 3600))
	is[int32](t, 6)(b.Increment("counter", 1)) // a change keeps it
	for _, key := range []string{"get", "list", "del", "increment", "set"} {
		expired(t, b, key, start, time.Second)
	}
	absent(t, a, "get")
	is(t, false)(b.Contains("list"))
	is(t, false)(b.Del("del"))
	is[int32](t, 1)(a.Increment("increment", 1))
	is(t, uint32(1))(a.ListAdd("list", "x")) // an expired string is no longer in the way
	is(t, uint32(1))(a.SetAdd("set", "x"))
	expired(t, a, "counter", start, 2*time.Second)
	holds(t, b, "replaced", "6")
	holds(t, b, "lasting", "6")
	holds(t, b, "year", "5")
	is[int32](t, 2)(b.Increment("increment", 1)) // born without expiry
}

func counters(t *testing.T, a, b *Client) {
	is[int32](t, 1)(a.Increment("n", 1))
	is[int32](t, 300)(b.Increment("n", 299))
	is[int32](t, -700)(a.Increment("n", -1000))
	is[int32](t, -700)(b.Increment("n", 0))
	holds(t, a, "n", "-700")
	must(t, a.Set("n", "41", 0))
	is[int32](t, 42)(b.Increment("n", 1))
	for _, value := range []string{"", "x", "1.5", " 1", "1 ", "0x10", "99999999999999999999"} {
		must(t, a.Set("n", value, 0))
		fails[int32](t, lattice.ErrConflict)(a.Increment("n", 1))
		holds(t, a, "n", value)
	}
	must(t, a.Set("n", fmt.Sprint(math.MaxInt32-1), 0))
	is[int32](t, math.MaxInt32)(a.Increment("n", 1))
	fails[int32](t, lattice.ErrConflict)(a.Increment("n", 1))
	holds(t, b, "n", fmt.Sprint(math.MaxInt32))
	is[int32](t, -1)(a.Increment("n", math.MinInt32))
	is[int32](t, math.MinInt32)(a.Increment("n", -math.MaxInt32))
	fails[int32](t, lattice.ErrConflict)(a.Increment("n", -1))
}

func lists(t *testing.T, a, b *Client) {
	are(t)(a.ListRange("l", 0, -1))
	is(t, false)(a.ListDel("l", "x"))
	is(t, false)(a.ListClear("l"))
	for i, item := range []string{"a", "b", "", "b", "é", "\xff"} {
		is(t, uint32(i+1))(a.ListAdd("l", item))
	}
	all := []string{"a", "b", "", "b", "é", "\xff"}
	for _, c := range []struct {
		start, stop int32
		want        []string
	}{
		{0, -1, all}, {0, 100, all}, {0, 0, all[:1]}, {1, 2, all[1:3]}, {-2, -1, all[4:]}, {-100, 1, all[:2]},
		{2, 1, nil},
		{6, 9, nil}, {-1, -2, nil}, {0, -100, nil}, {5, 5, all[5:]}, {math.MinInt32, math.MaxInt32, all},
	} {
		are(t, c.want...)(b.ListRange("l", c.start, c.stop))
	}
	is(t, true)(b.ListDel("l", "b")) // the first one
	are(t, "a", "", "b", "é", "\xff")(a.ListRange("l", 0, -1))
	is(t, false)(b.ListDel("l", "none"))
	for _, item := range []string{"", "é", "a", "b", "\xff"} {
		is(t, true)(b.ListDel("l", item))
	}
	is(t, false)(a.Contains("l")) // an empty list is none
	is(t, uint32(1))(a.ListAdd("l", "x"))
	is(t, true)(a.ListClear("l"))
	are(t)(a.ListRange("l", 0, -1))
}

func sets(t *testing.T, a, b *Client) {
	members(t)(a.SetQuery("s"))
	is(t, uint32(0))(a.SetDel("s", "x"))
	for _, item := range []string{"c", "a", "b", "", "\xff"} {
		is(t, uint32(1))(a.SetAdd("s", item))
	}
	is(t, uint32(0))(b.SetAdd("s", "a"))
	members(t, "", "a", "b", "c", "\xff")(b.SetQuery("s"))
	for _, item := range []string{"b", "c", "d"} {
		is(t, uint32(1))(b.SetAdd("t", item))
	}
	members(t, "", "a", "b", "c", "d", "\xff")(a.SetUnion("s", "t", "none"))
	members(t, "b", "c")(a.SetIntersection("s", "t"))
	members(t, "b", "c", "d")(a.SetIntersection("t"))
	members(t)(a.SetIntersection("s", "t", "none"))
	members(t)(a.SetIntersection("none", "s"))
	members(t)(a.SetIntersection())
	members(t)(a.SetUnion())
	for _, item := range []string{"b", "c", "d"} {
		is(t, uint32(1))(a.SetDel("t", item))
	}
	is(t, uint32(0))(a.SetDel("t", "d"))
	is(t, false)(b.Contains("t")) // an empty set is none
	is(t, true)(b.SetClear("s"))
	is(t, false)(b.SetClear("s"))
}

func kinds(t *testing.T, a, _ *Client) {
	must(t, a.Set("string", "1", 0))
	is(t, uint32(1))(a.ListAdd("list", "1"))
	is(t, uint32(1))(a.SetAdd("set", "1"))
	conflict := lattice.ErrConflict
	for _, key := range []string{"list", "set"} {
		_, err := a.Get(key)
		fails[int](t, conflict)(0, err)
		fails[int32](t, conflict)(a.Increment(key, 1))
	}
	for _, key := range []string{"string", "set"} {
		fails[uint32](t, conflict)(a.ListAdd(key, "x"))
		fails[bool](t, conflict)(a.ListDel(key, "1"))
		fails[[]string](t, conflict)(a.ListRange(key, 0, -1))
	}
	for _, key := range []string{"string", "list"} {
		fails[uint32](t, conflict)(a.SetAdd(key, "x"))
		fails[uint32](t, conflict)(a.SetDel(key, "1"))
		fails[[]string](t, conflict)(a.SetQuery(key))
		fails[[]string](t, conflict)(a.SetUnion("set", key))
		fails[[]string](t, conflict)(a.SetIntersection("set", key))
	}
	for _, key := range []string{"string", "list", "set"} {
		is(t, true)(a.Contains(key))
		must(t, a.Set(key, "now a string", 0)) // Set does not ask what was there
		holds(t, a, key, "now a string")
		is(t, true)(a.Del(key))
	}
}

func large(t *testing.T, a, b *Client) {
	value := strings.Repeat("0123456789abcdef", 50<<10) // 800 KiB
	must(t, a.Set("k", value, 60))
	holds(t, b, "k", value)
	const n = 500
	item := strings.Repeat("x", 500)
	for i := range n {
		is(t, uint32(i+1))(a.ListAdd("l", item+fmt.Sprint(i)))
	}
	if got, err := b.ListRange("l", 0, -1); err != nil || len(got) != n || got[n-1] != item+fmt.Sprint(n-1) {
		t.Errorf("%d items, %v; want %d", len(got), err, n)
	}
	are(t, item+"250")(b.ListRange("l", 250, 250))
}

const callers, rounds = 8, 25

// together runs f from several goroutines over both clients at once.
func together(a, b *Client, f func(c *Client, caller int)) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range callers {
		wg.Go(func() {
			<-begin
			c := a
			if i%2 == 1 {
				c = b
			}
			f(c, i)
		})
	}
	close(begin)
	wg.Wait()
}

func concurrentCounters(t *testing.T, a, b *Client) {
	var mu sync.Mutex
	seen := map[int32]bool{}
	together(a, b, func(c *Client, _ int) {
		for range rounds {
			n, err := c.Increment("n", 1)
			mu.Lock()
			if err != nil || seen[n] {
				t.Errorf("increment answers %d, seen before %v, %v", n, seen[n], err)
			}
			seen[n] = true
			mu.Unlock()
		}
	})
	holds(t, a, "n", fmt.Sprint(callers*rounds))
}

func concurrentLists(t *testing.T, a, b *Client) {
	var mu sync.Mutex
	lengths := map[uint32]bool{}
	together(a, b, func(c *Client, caller int) {
		for i := range rounds {
			n, err := c.ListAdd("l", fmt.Sprintf("%d.%d", caller, i))
			mu.Lock()
			if err != nil || lengths[n] {
				t.Errorf("list add answers %d, seen before %v, %v", n, lengths[n], err)
			}
			lengths[n] = true
			mu.Unlock()
		}
	})
	got, err := a.ListRange("l", 0, -1)
	must(t, err)
	next := map[string]int{} // of each caller: its items are in its order
	for _, item := range got {
		caller, i, _ := strings.Cut(item, ".")
		if i != fmt.Sprint(next[caller]) {
			t.Fatalf("item %s out of order", item)
		}
		next[caller]++
	}
	if len(got) != callers*rounds {
		t.Errorf("%d items, want %d", len(got), callers*rounds)
	}
	var removed sync.Map
	together(a, b, func(c *Client, caller int) {
		for i := range rounds { // everybody deletes everything
			item := fmt.Sprintf("%d.%d", (caller+i)%callers, i)
			ok, err := c.ListDel("l", item)
			if err != nil {
				t.Error(err)
			}
			if _, twice := removed.LoadOrStore(item, ok); ok && twice {
				if was, _ := removed.Swap(item, true); was == true {
					t.Errorf("item %s was removed twice", item)
				}
			}
		}
	})
}

func concurrentSets(t *testing.T, a, b *Client) {
	var mu sync.Mutex
	added := uint32(0)
	together(a, b, func(c *Client, _ int) {
		for i := range rounds { // everybody adds the same
			n, err := c.SetAdd("s", fmt.Sprint(i))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			added += n
			mu.Unlock()
		}
	})
	got, err := b.SetQuery("s")
	must(t, err)
	if added != rounds || len(got) != rounds {
		t.Errorf("%d added and %d members, want %d of both", added, len(got), rounds)
	}
}

func concurrentDeletes(t *testing.T, a, b *Client) {
	for range rounds {
		must(t, a.Set("k", "v", 0))
		var mu sync.Mutex
		deleted := 0
		together(a, b, func(c *Client, _ int) {
			ok, err := c.Del("k")
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				deleted++
			}
		})
		if deleted != 1 {
			t.Fatalf("%d callers deleted the one key", deleted)
		}
	}
}
