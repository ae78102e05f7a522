//go:build !tinygo

package main

import "unsafe"

// kept holds what the host has asked room for until the call ends.
var kept [][]byte

//go:wasmexport cabi_realloc
func realloc(old *byte, oldSize, align, size uint32) *byte {
	b := make([]byte, size+1)
	if old != nil {
		copy(b, unsafe.Slice(old, oldSize))
	}
	kept = append(kept, b)
	return &b[0]
}

func release() { kept = nil }
