package wasm

import (
	"os"
	"syscall"
	"time"
)

// limitProcess bounds what this process may use. Where the machine's memory runs out, the system is asked to end this
// process rather than the host.
func limitProcess(memory uint64, cpu time.Duration) error {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // not where /proc is missing
	seconds := uint64((cpu + time.Second - 1) / time.Second)
	if err := syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: seconds, Max: seconds}); err != nil {
		return err
	}
	return syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: memory, Max: memory})
}
