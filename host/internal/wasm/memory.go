package wasm

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/lattice"
)

// linearMemory backs the memory of one instance. Where the system can, address space up to the limit is reserved at once
// and made usable page by page, so that growing copies nothing and a large maximum costs nothing.
type linearMemory struct {
	limit    uint64
	image    *image // what the memory begins with and is reset to; nil: it begins empty and can not be reset
	reserved []byte // nil where address space can not be reserved
	b        []byte
	refused  bool   // a growth beyond the limit was refused since the last reset
	shrink   uint64 // what the next Reallocate answers with, whatever it asks for; 0: nothing special
}

// newLinearMemory reserves address space for a memory that may grow to most bytes, and puts the image into it. With most
// 0 nothing is reserved, as where that can not be.
func newLinearMemory(limit, most uint64, img *image) (*linearMemory, error) {
	m := &linearMemory{limit: limit, image: img}
	var err error
	if m.reserved, err = reserve(min(limit, most)); err != nil {
		return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
			Detail: fmt.Sprintf("the system refused %d bytes of address space; too many instances for vm.max_map_count or ulimit -v", min(limit, most))}
	}
	if img != nil {
		if m.b, err = img.place(m.reserved); err != nil {
			m.release()
			return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
				Detail: "the snapshot could not be mapped; too many instances for vm.max_map_count"}
		}
	}
	return m, nil
}

// Allocate implements experimental.MemoryAllocator. The declared maximum is ignored: the limit counts.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory. It answers nil beyond the limit. The first answer is larger than asked
// for where the image is: it holds a memory that has grown since.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if m.shrink > 0 {
		m.b = m.b[:m.shrink:m.shrink]
		m.shrink = 0
		return m.b
	}
	if size <= uint64(len(m.b)) {
		return m.b
	}
	if size > m.limit {
		m.refused = true
		return nil
	}
	if size <= uint64(len(m.reserved)) {
		if commit(m.reserved[len(m.b):size]) {
			m.b = m.reserved[:size:size]
			return m.b
		}
		if len(m.b) > 0 { // the system has no more
			m.refused = true
			return nil
		}
	}
	b := make([]byte, size)
	copy(b, m.b)
	m.b = b
	m.release()
	return b
}

// take makes an image of the present content and lets the memory lie upon it.
func (m *linearMemory) take() (*image, error) {
	img, err := newImage(m.b, m.reserved == nil)
	if err != nil {
		return nil, err
	}
	if img.file != nil {
		if _, err := img.place(m.reserved); err != nil {
			return nil, err
		}
	}
	m.image = img
	return img, nil
}

// reset brings the content of the image back and returns memory that was touched to the system. What is beyond the image
// is zero afterwards.
func (m *linearMemory) reset() error { return m.image.reset(m.b) }

// Free implements experimental.LinearMemory. Freeing twice is no error.
func (m *linearMemory) Free() {
	m.b = nil
	m.release()
}

func (m *linearMemory) release() {
	if m.reserved != nil {
		unreserve(m.reserved)
		m.reserved = nil
	}
}
