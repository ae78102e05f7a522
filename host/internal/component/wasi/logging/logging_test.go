package logging

import (
	"context"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
)

// A line has its level and context; one that the claims do not allow is told once.
func TestLog(t *testing.T) {
	var lines []logging.Entry
	var warned []string
	var denied error
	state := &face.State{Warn: func(_ context.Context, text string) { warned = append(warned, text) },
		Ask: func(_ context.Context, _ lattice.LinkName, id lattice.ContractID, operation string,
			in []byte) ([]byte, error) {
			if id != logging.ID || operation != logging.WriteLog {
				t.Errorf("%s %s", id, operation)
			}
			e, err := logging.DecodeEntry(in)
			if err != nil {
				t.Error(err)
			}
			lines = append(lines, e)
			return nil, denied
		}}
	log := func(level uint32, scope, message string) {
		if _, err := functions["log"].Call(&face.Call{Context: t.Context(), State: state, Pay: func(int) {}},
			[]any{abi.Variant{Case: level}, scope, message}); err != nil {
			t.Error(err)
		}
	}
	log(0, "", "a")
	log(3, "db", "b")
	log(5, "", strings.Repeat("é", maxText))
	if lines[0] != (logging.Entry{Level: "trace", Text: "a"}) || lines[1] != (logging.Entry{Level: "warn",
		Text: "db: b"}) || lines[2].Level != "critical" || len(lines[2].Text) > maxText {
		t.Errorf("%.100q", lines)
	}
	denied = &lattice.Error{Code: lattice.ErrMissingCapability, Detail: string("for " + logging.ID)}
	log(2, "", "c")
	log(2, "", "d")
	if len(warned) != 1 || !strings.Contains(warned[0], string(logging.ID)) {
		t.Errorf("%q", warned)
	}
}
