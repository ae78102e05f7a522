package wasm

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/lattice"
)

// linearMemory backs the memory of one instance. Where the system can, address space up to the limit is reserved at
// once and made usable page by page, so that growing copies nothing and a large maximum costs nothing.
type linearMemory struct {
	limit    uint64
	declared uint64 // what the module may have by its own word; a growth beyond that is refused as well
	visit    func() // called at each check of the guest; nil before its first call
	image    *image // what the memory begins with and is reset to; nil: it begins empty and cannot be reset
	reserved []byte // nil where address space cannot be reserved
	b        []byte
	budget   *memory.Budget
	besides  uint64 // bytes that the instance holds besides its memory and stack
	stack    uint64 // bytes of the guest's stack that are taken
	taken    uint64 // of the budget, in all
	short    error  // why the budget refused a growth since the last reset
	refused  bool   // a growth beyond the limit was refused since the last reset
	shrink   uint64 // what the next Reallocate answers with, instead of what it asks for; 0: nothing special
}

// instanceBytes is what an instance holds besides its memory, tables and stack; elementBytes is an element of a table.
const (
	instanceBytes = 64 << 10
	elementBytes  = 8
)

// newLinearMemory makes a memory that may grow to the lesser of limit and declared bytes, and puts the image into it.
// Address space is reserved for it unless slices are wanted. What it begins with, first bytes or the image, is taken
// from the budget, as are the tables, with the most elements that they may have.
func newLinearMemory(limit, declared, first, tables uint64, slices bool, img *image,
	budget *memory.Budget) (*linearMemory, error) {
	m := &linearMemory{limit: limit, declared: declared, image: img, budget: budget,
		besides: instanceBytes + tables*elementBytes}
	most := min(limit, declared)
	if slices {
		most = 0
	}
	if img != nil {
		first = max(first, img.size)
	}
	err := m.take(first)
	if err != nil {
		return nil, err
	}
	if m.reserved, err = reserve(most); err != nil {
		m.Free()
		return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
			Detail: fmt.Sprintf("the system refused %d bytes of address space; too many instances for vm.max_map_count or ulimit -v", most)}
	}
	if img != nil {
		if m.b, err = img.place(m.reserved); err != nil {
			m.Free()
			return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
				Detail: "the snapshot could not be mapped; too many instances for vm.max_map_count"}
		}
	}
	return m, nil
}

// take sees to it that a memory of size bytes is taken from the budget.
func (m *linearMemory) take(size uint64) error {
	size += m.besides + m.stack
	if size <= m.taken {
		return nil
	}
	if err := m.budget.Take("an instance", size-m.taken); err != nil {
		return err
	}
	m.taken = size
	return nil
}

// takeStack sees to it that a stack of so many bytes is taken from the budget.
func (m *linearMemory) takeStack(bytes uint64) error {
	if bytes <= m.stack {
		return nil
	}
	if err := m.budget.Take("the stack of a guest", bytes-m.stack); err != nil {
		return err
	}
	m.taken += bytes - m.stack
	m.stack = bytes
	return nil
}

// giveStack gives the stack back.
func (m *linearMemory) giveStack() {
	m.budget.Give(m.stack)
	m.taken -= m.stack
	m.stack = 0
}

// Allocate implements experimental.MemoryAllocator. The declared maximum is ignored: the limit counts.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory. It answers nil beyond the limit. The first answer is larger than
// asked for where the image is: it holds a memory that has grown since.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if m.shrink > 0 {
		m.b = m.b[:m.shrink:m.shrink]
		rest := m.shrink + m.besides + m.stack
		m.budget.Give(m.taken - rest)
		m.taken = rest
		m.shrink = 0
		return m.b
	}
	if size == instrument.MostPages*pageBytes && m.visit != nil { // more than any limit: see instrument.VisitFlag
		m.visit()
		return nil
	}
	if size <= uint64(len(m.b)) {
		return m.b
	}
	if size > m.declared {
		return nil
	}
	if size > m.limit {
		m.refused = true
		return nil
	}
	if m.short = m.take(size); m.short != nil {
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

// capture makes an image of the present content and lets the memory lie upon it.
func (m *linearMemory) capture() (*image, error) {
	img, err := newImage(m.b, m.reserved == nil, m.budget)
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

// reset brings the content of the image back and returns memory that was touched to the system. What is beyond the
// image is zero afterwards.
func (m *linearMemory) reset() error { return m.image.reset(m.b) }

// Free implements experimental.LinearMemory. Freeing twice is no error.
func (m *linearMemory) Free() {
	m.b = nil
	m.budget.Give(m.taken)
	m.taken, m.stack = 0, 0
	m.release()
}

func (m *linearMemory) release() {
	if m.reserved != nil {
		unreserve(m.reserved)
		m.reserved = nil
	}
}
