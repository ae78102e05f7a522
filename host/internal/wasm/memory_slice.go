//go:build !(linux || darwin)

package wasm

// Without reserved address space a memory is a slice, copied when it grows.

func reserve(uint64) ([]byte, error) { return nil, nil }
func commit([]byte) bool             { return false }
func unreserve([]byte)               {}
