package wasm_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice"
)

// A guest that reports an error and then traps, as AssemblyScript's SDK does, is heard: its words reach the caller and
// the log.
func TestWordsBeforeATrapAreHeard(t *testing.T) {
	h := &host{}
	i32 := api.ValueTypeI32
	m := compile(t, newEngine(t), caller{module: "wapc", name: "__guest_error", params: []api.ValueType{i32, i32},
		args: []uint64{8, 15},
		data: []byte("........out of biscuits"), pages: 1, traps: true}.bytes())
	i := instantiate(t, m, wasm.Limits{}, h)
	_, err := i.Call(t.Context(), "Op", nil)
	wantCode(t, err, lattice.ErrTrap)
	if want := "call Op: guest trapped: out of biscuits (unreachable"; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q, want it to begin with %q", err, want)
	}
	if i.Healthy() {
		t.Error("still healthy")
	}
	if got, want := h.logged(), []string{"stderr:out of biscuits"}; !slices.Equal(got, want) {
		t.Errorf("logged %q, want %q", got, want)
	}
}
