//go:build !linux

package wasm

import "time"

// Processor is the time, where that of the processor is not known.
func Processor() time.Duration { return time.Duration(time.Now().UnixNano()) }
