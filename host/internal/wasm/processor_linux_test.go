package wasm

import (
	"time"

	"golang.org/x/sys/unix"
)

// Processor is the processor time of this process.
func Processor() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
