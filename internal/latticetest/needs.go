package latticetest

import (
	"os"
	"runtime"
	"testing"

	"github.com/weftlattice/weft/internal/clock"
)

// Lacks ends a test that this machine cannot run, and says what is missing: it is skipped, but fails where CI is set in
// the environment, so that CI leaves nothing out silently.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

// NeedsClock skips a test where processes of one machine share no clock: on all systems but Linux.
func NeedsClock(t testing.TB) {
	t.Helper()
	switch {
	case clock.ID() != 0:
	case runtime.GOOS == "linux":
		t.Fatal("there is no shared clock")
	default:
		t.Skip("this system has no clock that processes share")
	}
}
