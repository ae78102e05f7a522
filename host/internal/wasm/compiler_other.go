//go:build !linux

package wasm

import "time"

// limitProcess does nothing: other systems have no limit that Go's memory is counted against. Config.CompileTime and
// the bounds of package instrument remain.
func limitProcess(uint64, time.Duration) error { return nil }
