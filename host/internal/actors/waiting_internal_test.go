package actors

import (
	"errors"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// The timeout of a call that waited for an instance says how long it did.
func TestTheTimeoutOfACallThatWaitedSaysSo(t *testing.T) {
	cut := &lattice.Error{Code: lattice.ErrTimeout, Op: "call Test.Slow", Detail: "stopped at the caller's deadline"}
	want := "call Test.Slow: request timeout: stopped at the caller's deadline; " +
		"it began after it had waited for an instance for 948ms"
	if err := afterWaiting(cut, 948*time.Millisecond); err.Error() != want || !errors.Is(err, lattice.ErrTimeout) {
		t.Errorf("got %q\nwant %q", err, want)
	}
	trap := &lattice.Error{Code: lattice.ErrTrap}
	if afterWaiting(cut, 0) != error(cut) || afterWaiting(trap, time.Second) != error(trap) ||
		afterWaiting(nil, time.Second) != nil {
		t.Error("what did not wait, or did not run out of time, is another error")
	}
}
