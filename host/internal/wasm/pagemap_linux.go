package wasm

import (
	"encoding/binary"
	"os"
	"sync"
	"unsafe"
)

// pageSize is the unit in which images are compared; where the system's pages are larger, pagemap is not used.
const pageSize = 4096

// pagemap tells of each page of this process what it is; nil where there is no /proc.
var pagemap = sync.OnceValue(func() *os.File {
	if os.Getpagesize() != pageSize {
		return nil
	}
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil
	}
	return file
})

// The bits of an entry of pagemap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageOfFile  = 1 << 61
)

// ownPages returns the offsets of the pages of b, a private mapping of a file, that are no longer the file's: those
// that were written to. It says false for more than maxKept, or when it cannot tell.
func ownPages(b []byte) ([]int, bool) {
	file := pagemap()
	if file == nil {
		return nil, false
	}
	buf := entries.Get().(*[chunkPages * 8]byte)
	defer entries.Put(buf)
	var own []int
	first := int64(uintptr(unsafe.Pointer(unsafe.SliceData(b))) / pageSize)
	for n, pages := 0, len(b)/pageSize; n < pages; n += chunkPages {
		chunk := buf[:8*min(chunkPages, pages-n)]
		if _, err := file.ReadAt(chunk, 8*(first+int64(n))); err != nil {
			return nil, false
		}
		for k := 0; k < len(chunk); k += 8 {
			e := binary.LittleEndian.Uint64(chunk[k:])
			if e&(pagePresent|pageSwapped) != 0 && e&pageOfFile == 0 {
				if len(own) == maxKept {
					return nil, false
				}
				own = append(own, (n+k/8)*pageSize)
			}
		}
	}
	return own, true
}

// chunkPages is how many pages are asked about at once.
const chunkPages = 1024

var entries = sync.Pool{New: func() any { return new([chunkPages * 8]byte) }}
