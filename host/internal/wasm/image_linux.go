package wasm

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// imageFile returns a sealed file in memory with the content, or nil where the system has none to give. Pages of zeros
// stay holes.
func imageFile(b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("weft-snapshot", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, nil // an old kernel, or a sandbox that forbids it
	}
	file := os.NewFile(uintptr(fd), "weft-snapshot")
	if err := fillImage(file, b); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return file, nil
}

func fillImage(file *os.File, b []byte) error {
	if err := file.Truncate(int64(len(b))); err != nil {
		return err
	}
	var zero [pageSize]byte
	for off := 0; off < len(b); off += pageSize {
		if p := b[off : off+pageSize]; string(p) != string(zero[:]) {
			if _, err := file.WriteAt(p, int64(off)); err != nil {
				return err
			}
		}
	}
	_, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS,
		unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	return err
}

// mapOnto replaces the pages at b.
func (img *image) mapOnto(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	conn, err := img.file.SyscallConn()
	if err != nil {
		return err
	}
	if ctl := conn.Control(func(fd uintptr) {
		_, err = unix.MmapPtr(int(fd), 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)),
			unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|unix.MAP_NORESERVE)
	}); ctl != nil {
		return ctl
	}
	return err
}

// kept is how many pages that were written to an instance keeps. To copy over a page that is there costs a fraction of
// having it faulted in again, and guests write to the same few in every call, of a large image to more; beyond this the
// memory is worth more.
func (img *image) kept() int { return int(min(max(minKept, img.size/pageSize/8), maxKept)) }

const minKept, maxKept = 64, 512

// restore makes b, which begins with a mapping of the image, equal to the image and zero behind it.
func (img *image) restore(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	own := ownPagesPool.Get().(*ownPages)
	defer ownPagesPool.Put(own)
	if !own.look(b[:img.size], img.kept()) {
		return unix.Madvise(b, unix.MADV_DONTNEED)
	}
	for _, p := range own.found {
		copy(b[p.begin:p.end], img.view[p.begin:])
	}
	if rest := b[img.size:]; len(rest) > 0 {
		return unix.Madvise(rest, unix.MADV_DONTNEED)
	}
	return nil
}

// look maps the image to be read from.
func (img *image) look() error {
	if img.size == 0 {
		return nil
	}
	conn, err := img.file.SyscallConn()
	if err != nil {
		return err
	}
	if ctl := conn.Control(func(fd uintptr) {
		img.view, err = unix.Mmap(int(fd), 0, int(img.size), unix.PROT_READ, unix.MAP_SHARED)
	}); ctl != nil {
		return ctl
	}
	return err
}

// release undoes imageFile and look.
func (img *image) release() {
	_ = img.file.Close()
	if img.view != nil {
		_ = unix.Munmap(img.view)
	}
}
