package wasm

import (
	"bytes"
	"errors"
	"os"
	"sync/atomic"

	"github.com/weftlattice/weft/host/internal/memory"
)

// image is the content of a memory that instances begin with. It never changes. Where the system can, they map it copy
// on write, and share what they do not write to; elsewhere they copy it.
//
// An image is released when its last holder lets go: the template, and each instance that lies upon it.
type image struct {
	size    uint64
	holders atomic.Int64
	budget  *memory.Budget

	file *os.File // to be mapped; nil: to be copied
	view []byte   // of the file, to be read from
	copy []byte   // to be copied; nil: to be mapped
}

// newImage takes the content of a memory; copied forgoes mapping.
func newImage(b []byte, copied bool, budget *memory.Budget) (*image, error) {
	img := &image{size: uint64(len(b)), budget: budget}
	img.holders.Store(1)
	if !copied {
		file, err := imageFile(b)
		if err != nil {
			return nil, err
		}
		img.file = file
	}
	if img.file != nil {
		if err := img.look(); err != nil {
			return nil, errors.Join(err, img.file.Close())
		}
	} else {
		img.copy = bytes.Clone(b)
	}
	budget.Add(img.size)
	return img, nil
}

// place puts the content at the beginning of reserved address space, or into a new slice where no space is reserved.
func (img *image) place(reserved []byte) ([]byte, error) {
	switch {
	case img.file != nil:
		b := reserved[:img.size:img.size]
		return b, img.mapOnto(b)
	case reserved == nil:
		return bytes.Clone(img.copy), nil
	case !commit(reserved[:img.size]):
		return nil, os.NewSyscallError("mprotect", os.ErrPermission)
	}
	b := reserved[:img.size:img.size]
	copy(b, img.copy)
	return b, nil
}

// reset puts the content back into b, which place has made and which may have grown, and zeroes what is beyond it.
func (img *image) reset(b []byte) error {
	if img.file != nil {
		return img.restore(b)
	}
	clear(b[copy(b, img.copy):])
	return nil
}

// hold adds a holder; the caller is one.
func (img *image) hold() { img.holders.Add(1) }

// drop takes a holder away.
func (img *image) drop() {
	if img.holders.Add(-1) > 0 {
		return
	}
	img.budget.Give(img.size)
	if img.file != nil {
		img.release()
	}
}
