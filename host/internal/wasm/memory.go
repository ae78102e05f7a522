package wasm

import "github.com/tetratelabs/wazero/experimental"

// linearMemory backs the memory of one instance. Where the system can, address space up to the limit is reserved at once
// and made usable page by page, so that growing copies nothing and a large maximum costs nothing.
type linearMemory struct {
	limit    uint64
	reserved []byte // nil where address space can not be reserved
	b        []byte
	refused  bool // a growth beyond the limit was refused since the last reset
}

// Allocate implements experimental.MemoryAllocator. The declared maximum is ignored: the limit counts.
func (m *linearMemory) Allocate(_, declared uint64) experimental.LinearMemory {
	m.reserved = reserve(min(m.limit, declared))
	return m
}

// Reallocate implements experimental.LinearMemory. It answers nil beyond the limit.
func (m *linearMemory) Reallocate(size uint64) []byte {
	if size > m.limit {
		m.refused = true
		return nil
	}
	if m.reserved != nil && size <= uint64(len(m.reserved)) {
		if commit(m.reserved[:size]) {
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
