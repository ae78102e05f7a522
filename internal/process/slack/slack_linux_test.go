package slack

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("SLACK_CHILD") != "" {
		Take()
		fmt.Println(os.Getpid(), read(), os.Args[1])
		return
	}
	os.Exit(m.Run())
}

// A process takes it once, stays the same process with the same arguments, and hands it to its children; where somebody
// has chosen another one, that stays.
func TestTake(t *testing.T) {
	child := func() string {
		t.Helper()
		cmd := exec.Command(os.Args[0], "argument")
		cmd.Env = append(os.Environ(), "SLACK_CHILD=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		fields := strings.Fields(string(out))
		if len(fields) != 3 || fields[2] != "argument" {
			t.Fatalf("the child says %q", out)
		}
		if fields[0] != fmt.Sprint(cmd.Process.Pid) {
			t.Errorf("it became process %s, was %d", fields[0], cmd.Process.Pid)
		}
		return fields[1]
	}
	runtime.LockOSThread() // children have what the thread has that starts them
	defer runtime.UnlockOSThread()
	before := read()
	for slack, want := range map[time.Duration]time.Duration{systemSlack: Slack, time.Millisecond: time.Millisecond,
		time.Microsecond: time.Microsecond} {
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		if got := child(); got != want.String() {
			t.Errorf("from %s to %s, want %s", slack, got, want)
		}
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(before), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}
