package clock_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/internal/latticetest"
)

// A process started by the test prints its moment, which lies between two of the test's.
func TestProcessesOfOneMachineShareTheClock(t *testing.T) {
	latticetest.NeedsClock(t)
	if os.Getenv("CLOCK_CHILD") != "" {
		now := clock.Now()
		fmt.Printf("moment %d %d\n", now.Clock, now.Micros)
		return
	}
	before := clock.Now()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestProcessesOfOneMachineShareTheClock$")
	cmd.Env = append(os.Environ(), "CLOCK_CHILD=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	after := clock.Now()
	fields := strings.Fields(string(out))
	if len(fields) < 3 || fields[0] != "moment" {
		t.Fatalf("the child printed %q", out)
	}
	id, _ := strconv.ParseUint(fields[1], 10, 32)
	at, _ := strconv.ParseUint(fields[2], 10, 64)
	const tolerance = 1000 // µs: the two readings of each process's beginning
	if uint32(id) != clock.ID() || at+tolerance < before.Micros || at > after.Micros+tolerance {
		t.Errorf("the child read %d of clock %d, between %d and %d of clock %d", at, id, before.Micros, after.Micros,
			clock.ID())
	}
}
