package wasm

import (
	"encoding/binary"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
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

// ownPages is the room for a look at the pages of a private mapping of a file: which of them are no longer the file's,
// since they were written to. The kernel is told where it is, so it comes from ownPagesPool and never lies on a
// stack, which moves.
type ownPages struct {
	found   []pages // what the look has found, within regions
	count   int     // pages of them
	scan    pageScan
	regions [maxKept]pages
	entries [chunkPages * 8]byte
}

// pages are those between two addresses, as the kernel writes them.
type pages struct{ begin, end, _ uint64 }

var ownPagesPool = sync.Pool{New: func() any { return new(ownPages) }}

// look finds the pages of b. It says false for more than most, of maxKept at the most, or when it cannot tell.
func (o *ownPages) look(b []byte, most int) bool {
	file := pagemap()
	if file == nil {
		return false
	}
	o.found, o.count = o.regions[:0], 0
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	if done, ok := o.ask(file, at, at+uint64(len(b)), most); done {
		return ok
	}
	return o.read(file, at, len(b)/pageSize, most)
}

// pageScan is the argument of PAGEMAP_SCAN (struct pm_scan_arg), which Linux has since 6.7.
type pageScan struct {
	size, flags, begin, end, walked, to, room, most, not, all, any, tell uint64
}

const (
	pagemapScan = 0xc0606610 // _IOWR('f', 16, struct pm_scan_arg)

	scanFile    = 1 << 2 // PAGE_IS_FILE
	scanPresent = 1 << 3 // PAGE_IS_PRESENT
	scanSwapped = 1 << 4 // PAGE_IS_SWAPPED
)

// noScan is set when the kernel does not know PAGEMAP_SCAN.
var noScan atomic.Bool

// ask has the kernel look. It costs less than to read an entry of each page. It is not done where the kernel cannot.
func (o *ownPages) ask(file *os.File, begin, end uint64, most int) (done, ok bool) {
	if noScan.Load() {
		return false, false
	}
	o.scan = pageScan{size: uint64(unsafe.Sizeof(o.scan)), begin: begin, end: end,
		to: uint64(uintptr(unsafe.Pointer(&o.regions))), room: uint64(len(o.regions)), most: uint64(most) + 1,
		not: scanFile, all: scanFile, any: scanPresent | scanSwapped}
	n, _, err := unix.Syscall(unix.SYS_IOCTL, file.Fd(), pagemapScan, uintptr(unsafe.Pointer(&o.scan)))
	if err != 0 {
		noScan.Store(true)
		return false, false
	}
	o.found = o.regions[:n]
	for i := range o.found {
		o.found[i].begin -= begin
		o.found[i].end -= begin
		o.count += int(o.found[i].end-o.found[i].begin) / pageSize
	}
	return true, o.scan.walked == end && o.count <= most
}

// The bits of an entry of pagemap.
const (
	pagePresent = 1 << 63
	pageSwapped = 1 << 62
	pageOfFile  = 1 << 61
)

// chunkPages is how many pages are asked about at once.
const chunkPages = 1024

// read looks at the entry of each page.
func (o *ownPages) read(file *os.File, begin uint64, all, most int) bool {
	for n := 0; n < all; n += chunkPages {
		chunk := o.entries[:8*min(chunkPages, all-n)]
		if _, err := file.ReadAt(chunk, int64(begin/pageSize+uint64(n))*8); err != nil {
			return false
		}
		for k := 0; k < len(chunk); k += 8 {
			e := binary.LittleEndian.Uint64(chunk[k:])
			if e&(pagePresent|pageSwapped) != 0 && e&pageOfFile == 0 {
				if o.count++; o.count > most {
					return false
				}
				at := uint64(n+k/8) * pageSize
				o.found = append(o.found, pages{begin: at, end: at + pageSize})
			}
		}
	}
	return true
}
