package wasm

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/lattice"
)

// account is what one instance holds, beside the limit of its memories and in the budget of all guests: its memories,
// of which a component may have several, its tables and its stack. The limit is for the sum of its memories.
type account struct {
	limit   uint64 // of all memories together, in bytes
	size    uint64 // of all memories now
	budget  *memory.Budget
	besides uint64 // bytes that the instance holds besides its memories and stack
	stack   uint64 // bytes of the guest's stack that are taken
	taken   uint64 // of the budget, in all
	short   error  // why the budget refused a growth since the last call began
	refused bool   // a growth beyond the limit was refused since the last call began
}

// instanceBytes is what an instance holds besides its memories, tables and stack, and coreBytes what each core instance
// of a component does; elementBytes is an element of a table.
const (
	instanceBytes = 64 << 10
	coreBytes     = 8 << 10
	elementBytes  = 8
)

// add takes so many more bytes of what is held besides memories.
func (a *account) add(besides uint64) error {
	a.besides += besides
	if err := a.take(a.size); err != nil {
		a.besides -= besides
		return err
	}
	return nil
}

// take sees to it that memories of size bytes are taken from the budget.
func (a *account) take(size uint64) error {
	size += a.besides + a.stack
	if size <= a.taken {
		return nil
	}
	if err := a.budget.Take("an instance", size-a.taken); err != nil {
		return err
	}
	a.taken = size
	return nil
}

// grow lets the memories have so many more bytes, or refuses that.
func (a *account) grow(bytes uint64) bool {
	if bytes > a.limit-a.size {
		a.refused = true
		return false
	}
	if a.short = a.take(a.size + bytes); a.short != nil {
		a.refused = true
		return false
	}
	a.size += bytes
	return true
}

// shrink gives memory back.
func (a *account) shrink(bytes uint64) {
	a.size -= bytes
	if rest := a.size + a.besides + a.stack; rest < a.taken {
		a.budget.Give(a.taken - rest)
		a.taken = rest
	}
}

// takeStack sees to it that a stack of so many bytes is taken from the budget.
func (a *account) takeStack(bytes uint64) error {
	if bytes <= a.stack {
		return nil
	}
	if err := a.budget.Take("the stack of a guest", bytes-a.stack); err != nil {
		return err
	}
	a.taken += bytes - a.stack
	a.stack = bytes
	return nil
}

// giveStack gives the stack back.
func (a *account) giveStack() {
	a.budget.Give(a.stack)
	a.taken -= a.stack
	a.stack = 0
}

// close gives all back.
func (a *account) close() {
	a.budget.Give(a.taken)
	a.taken, a.size, a.stack, a.besides = 0, 0, 0, 0
}

// linearMemory backs one memory of an instance. Where the system can, address space up to the limit is reserved at
// once and made usable page by page, so that growing copies nothing and a large maximum costs nothing.
type linearMemory struct {
	account  *account // of the instance
	declared uint64   // what the module may have by its own word; a growth beyond that is refused as well
	visit    func()   // called at each check of the guest; nil before its first call
	image    *image   // what the memory begins with and is reset to; nil: it begins empty and cannot be reset
	reserved []byte   // nil where address space cannot be reserved
	b        []byte
	shrunk   bool // the next Reallocate answers with the size of the image, instead of what it asks for
}

// newLinearMemory makes a memory that may grow to the lesser of the account's limit and declared bytes, and puts the
// image into it. Address space is reserved for it unless slices are wanted. What it begins with, first bytes or the
// image, is taken from the budget.
func newLinearMemory(account *account, declared, first uint64, slices bool, img *image) (*linearMemory, error) {
	m := &linearMemory{account: account, declared: declared, image: img}
	most := min(account.limit, declared)
	if slices {
		most = 0
	}
	if img != nil {
		first = max(first, img.size)
	}
	err := account.take(account.size + first)
	if err != nil {
		return nil, err
	}
	if m.reserved, err = reserve(most); err != nil {
		return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
			Detail: fmt.Sprintf("the system refused %d bytes of address space; too many instances for "+
				"vm.max_map_count or ulimit -v", most)}
	}
	if img != nil {
		if m.b, err = img.place(m.reserved); err != nil {
			m.release()
			return nil, &lattice.Error{Code: lattice.ErrMemory, Op: "start instance", Err: err,
				Detail: "the snapshot could not be mapped; too many instances for vm.max_map_count"}
		}
		account.size += img.size
	}
	return m, nil
}

// Allocate implements experimental.MemoryAllocator. The declared maximum is ignored: the limit counts.
func (m *linearMemory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory. It answers nil beyond the limit. The first answer is larger than
// asked for where the image is: it holds a memory that has grown since.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if m.shrunk {
		size = m.image.size
		m.account.shrink(uint64(len(m.b)) - size)
		m.b = m.b[:size:size]
		return m.b
	}
	if size == instrument.MostPages*pageBytes && m.visit != nil { // more than any limit: see instrument.VisitFlag
		m.visit()
		return nil
	}
	if size <= uint64(len(m.b)) {
		return m.b
	}
	// Growth beyond its own declaration is the guest's to expect: it is no refusal by the host, and no reason for
	// lattice.ErrMemory.
	if size > m.declared {
		return nil
	}
	if !m.account.grow(size - uint64(len(m.b))) {
		return nil
	}
	// Within the reserved space the memory grows in place, and compiled code keeps its base address.
	if size <= uint64(len(m.reserved)) {
		if commit(m.reserved[len(m.b):size]) {
			m.b = m.reserved[:size:size]
			return m.b
		}
		if len(m.b) > 0 { // the system has no more
			m.account.shrink(size - uint64(len(m.b)))
			m.account.refused = true
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
	img, err := newImage(m.b, m.reserved == nil, m.account.budget)
	if err != nil {
		return nil, err
	}
	if img.file != nil {
		if _, err := img.place(m.reserved); err != nil {
			img.drop()
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
	m.account.shrink(uint64(len(m.b)))
	m.b = nil
	m.release()
}

func (m *linearMemory) release() {
	if m.reserved != nil {
		unreserve(m.reserved)
		m.reserved = nil
	}
}
