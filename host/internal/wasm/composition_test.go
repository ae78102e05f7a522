package wasm_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// A service with a chain of filters inside, which was composed twice, is one component: it answers, and nothing of
// what is within is seen from outside.
func TestCompositionAnswersRequests(t *testing.T) {
	m := compileFixture(t, "composed.wasm")
	for filter, want := range map[string]string{"": "200 (/A B)\n", "reverse": "200 (b a/)\n",
		"fail": "422 cannot filter /a b\n"} {
		i := openModule(t, m, &host{}, map[string]string{"FILTER": filter})
		for range 2 {
			resp := ask(t, i, httpserver.Request{Method: "GET", Path: "/a b"})
			status, text, _ := strings.Cut(want, " ")
			if strconv.Itoa(int(resp.StatusCode)) != status || string(resp.Body) != text {
				t.Errorf("%d %q, want %s", resp.StatusCode, resp.Body, want)
			}
		}
	}
	file := fixture(t, "composed.wasm")
	world, err := wasm.World(file)
	if err != nil || strings.Contains(world, "acme:edge") || !strings.Contains(world, "incoming-handler@0.2") {
		t.Errorf("%v: %s", err, world)
	}
	want := []lattice.ContractID{"wasmcloud:httpserver"}
	if needs, err := wasm.Contracts(file); err != nil || !slices.Equal(needs, want) {
		t.Errorf("it needs %q, %v", needs, err)
	}
}

// The limits of a composition are those of one actor: what its parts take is added up.
func TestLimitsOfACompositionAreSums(t *testing.T) {
	composed, caller, filter := compileFixture(t, "composed.wasm"), compileFixture(t, "caller.wasm"),
		compileFixture(t, "filter.wasm")
	parts := caller.Info().MemoryBytes + filter.Info().MemoryBytes
	if all := composed.Info().MemoryBytes; all <= parts {
		t.Errorf("%d bytes of memory, two of three parts have %d", all, parts)
	}
	limits := wasm.Limits{MemoryBytes: parts}
	for m, want := range map[*wasm.Module]lattice.Code{filter: 0, caller: 0, composed: lattice.ErrMemory} {
		i, err := m.Instantiate(t.Context(), limits, &host{}, nil)
		if err == nil {
			i.Close(t.Context())
		}
		if lattice.CodeOf(err) != want {
			t.Errorf("within %d bytes: %v, want %v", parts, err, want)
		}
	}
	text := strings.Repeat("x", 100_000)
	h := &host{}
	i := openModule(t, filter, h, nil)
	h.fuel()
	if _, err := callJSON(t, filter, i, "acme:edge/filter@0.1.0#apply", `"`+text+`"`); err != nil {
		t.Fatal(err)
	}
	one := h.fuel()[0]
	i = openModule(t, composed, h, nil)
	h.fuel()
	ask(t, i, httpserver.Request{Method: "GET", Path: "/" + text})
	if all := h.fuel()[0]; all < one+uint64(2*len(text)) {
		t.Errorf("three parts spent %d, where one spends %d", all, one)
	}
}
