//go:build !linux

package wasm_test

import "time"

// processor is the time, where that of the processor is not known.
func processor() time.Duration { return time.Duration(time.Now().UnixNano()) }
