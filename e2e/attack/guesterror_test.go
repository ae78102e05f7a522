package attack

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// What a guest says before it traps, as AssemblyScript's SDK does, reaches the caller on another machine and the
// actor's log, and "guest trapped" stands there once.
func TestWordsBeforeATrapReachTheCaller(t *testing.T) {
	const words = "the cupboard is bare"
	r := newRig(t)
	m := newModule()
	m.types = append(m.types, []byte{0x60, 2, i32, i32, 0})
	m.imports = [][]byte{join(name("wasmbus"), name("__guest_error"), []byte{0, 2})}
	m.data = [][]byte{join([]byte{0, opConst, 0, opEnd}, sized([]byte(words)))}
	m.bodies[0] = sized([]byte{0, opConst, 0, opConst, byte(len(words)), opCall, 0, 0x00, opEnd})
	ref, id := r.module("words", m.bytes())
	if code, text := r.start(ref); code != 0 {
		t.Fatal(text)
	}
	_, err := r.call(id, "Cupboard.Open", nil)
	if lattice.CodeOf(err) != lattice.ErrTrap || !strings.Contains(err.Error(), words) ||
		strings.Count(err.Error(), "guest trapped") != 1 {
		t.Errorf("the caller reads %q", err)
	}
	lines, err := r.ctl.Logs(t.Context(), r.ID, id, 0)
	if err != nil || len(lines) != 1 || lines[0].Text != words {
		t.Errorf("the log is %+v, %v", lines, err)
	}
}
