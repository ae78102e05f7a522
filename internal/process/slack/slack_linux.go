package slack

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// systemSlack is what the kernel gives every process of which nobody has said anything else.
const systemSlack = 50 * time.Microsecond

// Take gives this process Slack. It runs the program anew in the same process, with the same arguments, environment and
// open files, so call it before anything has begun: only what runs from the start on reaches the runtime's own thread.
// Processes that this one starts have it, too. Where the slack is another than the kernel's default it stays, which is
// also how the second run knows that it is the second. Whatever fails leaves all as it was.
func Take() {
	if read() != systemSlack {
		return
	}
	path, err := os.Executable()
	if err != nil {
		return
	}
	// it is an attribute of the thread, and the new program inherits that of the one that asks for it
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(Slack), 0, 0, 0) != nil || read() != Slack {
		return
	}
	_ = syscall.Exec(path, os.Args, os.Environ()) // returns only when it fails
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(systemSlack), 0, 0, 0)
}

// read is the slack of this thread.
func read() time.Duration {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(n)
}
