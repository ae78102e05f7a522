//go:build linux || darwin

package wasm

import "golang.org/x/sys/unix"

// reserve returns address space that cannot be used yet.
func reserve(size uint64) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	return unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
}

// commit makes reserved address space usable: zero at first, as it was where it was in use before.
func commit(b []byte) bool {
	return len(b) == 0 || unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) == nil
}

func unreserve(b []byte) { _ = unix.Munmap(b) } // only fails for a slice that reserve did not return
