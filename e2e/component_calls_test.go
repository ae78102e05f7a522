package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/typed"
	"github.com/weftlattice/weft/lattice"
)

const edgeFilter = "acme:edge/filter"

// typedCall asks for a function of a component, and returns its result as JSON.
func (r *rig) typedCall(actor, function string, args ...string) string {
	r.t.Helper()
	return strings.TrimSpace(r.weft(append([]string{"call", actor, function, "--timeout", "60s"}, args...)...))
}

// compact is JSON without spaces between its parts; no text of these tests has any.
func compact(s string) string { return strings.Join(strings.Fields(s), "") }

// Functions of components are called with JSON of each type, from a command that joins with a token.
func TestTypedCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.host("a")
	r.actor(component(t, "filter"), "--max", "2")
	for _, c := range [][]string{ // function, result, arguments
		{"acme:edge/filter#apply", `{"ok":"TEXT"}`, `"text"`},
		{"greet", `"helloyou"`, `"you"`},
		{"of-bool", `true`, `true`},
		{"of-whole", `[255,-128,65535,-32768,4294967295,-2147483648,18446744073709551615,-9223372036854775808]`, "255",
			"-128", "65535", "-32768", "4294967295", "-2147483648", "18446744073709551615", "-9223372036854775808"},
		{"of-float", `[0.1,"NaN"]`, `0.1`, `"NaN"`},
		{"of-char", `"€"`, `"€"`},
		{"of-string", `"ü"`, `"ü"`},
		{"of-bytes", `{"$bytes":"/wA="}`, `{"$bytes":"/wA="}`},
		{"of-list", `[[1],[]]`, `[[1],[]]`},
		{"of-record", `{"x":1,"y":-1,"label":null}`, `{"x":1,"y":-1}`},
		{"of-variant", `{"polygon":[{"x":0,"y":0,"label":"a"}]}`, `{"polygon":[{"x":0,"y":0,"label":"a"}]}`},
		{"of-enum", `"blue"`, `"blue"`},
		{"of-flags", `["read","execute"]`, `["execute","read"]`},
		{"of-option", `{"some":null}`, `{"some":null}`},
		{"of-result", `{"err":"no"}`, `{"err":"no"}`},
		{"of-nothing", `null`},
	} {
		args := append([]string{}, c[2:]...)
		for i, a := range args {
			if strings.HasPrefix(a, "-") {
				args = append(append(args[:i:i], "--"), args[i:]...)
				break
			}
		}
		if got := compact(r.typedCall("filter", c[0], args...)); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	r.fails(2, "v.x: want s32, found 3000000000", "call", "filter", "of-record", `{"x":3000000000,"y":0}`)
	r.fails(3, "did you mean acme:edge/kinds@0.1.0#of-record?", "call", "filter", "of-recrd", `{}`)
	if names := r.weft("__complete", "call", "filter", "acme:edge/kinds@0.1.0#of-r"); !strings.Contains(names,
		"acme:edge/kinds@0.1.0#of-record\nacme:edge/kinds@0.1.0#of-result\n") {
		t.Errorf("completion: %s", names)
	}
	if text := r.weft("actor", "inspect", "filter"); !strings.Contains(text,
		"exports acme:edge/kinds@0.1.0#of-enum: func(v: enum {red, green, blue}) -> enum {red, green, blue}\n") {
		t.Errorf("weft actor inspect: %s", text)
	}
	// A command's output and exit code are those of weft.
	r.actor(component(t, "command"))
	if out := r.weft("call", "command"); out != "arguments [], input \"\"\n" {
		t.Errorf("%q", out)
	}
	if res := r.try("call", "command", "run", "7"); res.code != 1 || res.out != "arguments [\"7\"], input \"\"\n" ||
		!strings.Contains(res.errout, "a word on standard error") {
		t.Errorf("%v", res)
	}
	input := filepath.Join(r.dir, "input")
	if err := os.WriteFile(input, []byte("a word"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := r.weft("call", "command", "--stdin", input); out != "arguments [], input \"a word\"\n" {
		t.Errorf("%q", out)
	}
	r.fails(2, "it is no command, which alone has a standard input", "call", "filter", "greet", `"you"`,
		"--stdin", input)
}

// What a component imports is served by the actor that a link says, on whatever host. The link is exchanged while
// requests flow, and none of them is lost. What does not fit is refused, and the link works on.
func TestComponentsCallEachOtherByLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.actor(component(t, "filter"), "--host", "b", "--max", "16")
	r.actor(component(t, "filter"), "--host", "a", "--max", "16", "--name", "reverse", "--config", "FILTER=reverse")
	started := r.try("actor", "start", component(t, "caller"), "--host", "a", "--max", "16")
	id, _, _ := strings.Cut(grep(started.out, "id:"), "\n")
	caller, err := lattice.ParseActorID(strings.TrimSpace(strings.TrimPrefix(id, "id:")))
	if err != nil {
		t.Fatal(started, err)
	}
	if started.code != 0 || !strings.Contains(started.errout, "it waits for a link, which its calls of "+edgeFilter+
		" need: weft link put caller ACTOR "+edgeFilter) {
		t.Fatal(started)
	}
	r.fails(1, "make one with: weft link put caller ACTOR "+edgeFilter, "call", "caller", "process", `"abc"`, "1")
	if text := r.weft("actor", "inspect", "caller"); !strings.Contains(text, "weft link put caller ACTOR "+edgeFilter) {
		t.Errorf("weft actor inspect: %s", text)
	}

	r.weft("link", "put", "caller", "filter", edgeFilter)
	if got := compact(r.typedCall("caller", "process", `"abc"`, "2")); got != `{"ok":["ABC","ABC"]}` {
		t.Errorf("%s", got)
	}

	process, err := typed.ParseFunc("func(text: string, times: u32) -> result<list<string>, string>")
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := typed.EncodeParams(process, []any{"abc", uint32(2)}, nil)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := ""
				answer, err := r.call(caller, "acme:edge/service@0.1.0.process", payload)
				if err == nil {
					var v any
					if v, err = typed.DecodeResult(process, answer, nil); err == nil {
						got = string(typed.ToJSON(process.Result, v, false))
					}
				}
				if err != nil {
					got = err.Error()
				}
				mu.Lock()
				counts[got]++
				mu.Unlock()
			}
		})
	}
	seen := func(result string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		return counts[result]
	}
	results := map[string]string{"filter": `{"ok":["ABC","ABC"]}`, "reverse": `{"ok":["cba","cba"]}`}
	for _, target := range []string{"reverse", "filter", "reverse", "filter"} {
		r.weft("link", "put", "caller", target, edgeFilter)
		before := seen(results[target])
		latticetest.Eventually(t, func() error {
			if n := seen(results[target]); n < before+20 {
				return fmt.Errorf("%d answers of %s", n-before, target)
			}
			return nil
		})
	}
	r.actor(component(t, "misfit"))
	r.fails(2, "acme:edge/filter@0.1.0#apply is imported as func(text: string) -> result<string, string>, "+
		"and exported as func(text: string, limit: u32)", "link", "put", "caller", "misfit", edgeFilter)
	r.weft("actor", "scale", "reverse", "--max", "0")
	r.fails(1, "does not run; start it first", "link", "put", "caller", "reverse", edgeFilter)
	r.fails(1, "the link from", "actor", "update", "filter", component(t, "misfit"), "--rev", strconv.Itoa(1<<31-1))
	close(stop)
	load.Wait()
	total := 0
	for result, n := range counts {
		if total += n; result != results["filter"] && result != results["reverse"] &&
			result != `{"ok":["ABC","cba"]}` &&
			result != `{"ok":["cba","ABC"]}` {
			t.Errorf("%d of the calls: %s", n, result)
		}
	}
	t.Logf("%d calls while the link was exchanged: %v", total, counts)

	// A module takes the place of the caller: of an interface with resources nothing can be linked.
	r.actor(module("guest"))
	r.fails(2, "acme:edge/store@0.1.1#open passes the resource acme:edge/store entry", "link", "put", "guest", "misfit",
		"acme:edge/store")

	r.weft("link", "del", "caller", edgeFilter)
	r.fails(1, "missing link definition", "call", "caller", "process", `"abc"`, "1")

	// Two filters that ask each other end, and say why.
	r.actor(component(t, "caller"), "--host", "b", "--max", "100", "--name", "other")
	r.weft("actor", "scale", "caller", "--max", "100")
	r.weft("link", "put", "caller", "other")
	r.weft("link", "put", "other", "caller")
	r.fails(1, "calls are nested", "call", "caller", edgeFilter+"#apply", `"abc"`, "--timeout", "60s")
}
