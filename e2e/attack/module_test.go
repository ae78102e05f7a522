package attack

import "bytes"

// module is a WebAssembly module being written: the bodies of its sections. A fresh one is an actor that answers
// nothing.
type module struct {
	types, imports, functions, tables, globals, exports, elements, bodies, data [][]byte
	memory                                                                      []byte // limits
	custom                                                                      []byte
}

// Types of every module.
const (
	typeCall = iota // (i32 i32) -> i32
	typeVoid        // () -> ()
)

const (
	opLoop         = 0x03
	opBlock        = 0x02
	opEnd          = 0x0b
	opBrTable      = 0x0e
	opConst        = 0x41
	opDrop         = 0x1a
	opCall         = 0x10
	opBr           = 0x0c
	opBrIf         = 0x0d
	opIf           = 0x04
	opStore        = 0x36
	opLoad         = 0x28
	opAdd          = 0x6a
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	void           = 0x40
	i32            = 0x7f
)

func newModule() *module {
	return &module{
		types:     [][]byte{{0x60, 2, i32, i32, 1, i32}, {0x60, 0, 0}},
		functions: [][]byte{{typeCall}},
		memory:    []byte{0, 1},
		exports:   [][]byte{join(name("memory"), []byte{2, 0}), nil},
		bodies:    [][]byte{sized([]byte{0, opConst, 1, opEnd})},
	}
}

// echo answers every call with its payload.
func echo() []byte {
	m := newModule()
	m.types = append(m.types, []byte{0x60, 2, i32, i32, 0})
	m.imports = [][]byte{join(name("wasmbus"), name("__guest_request"), []byte{0, 2}),
		join(name("wasmbus"), name("__guest_response"), []byte{0, 2})}
	m.bodies[0] = sized([]byte{0, opConst, 0, opConst, 0xc0, 0, opCall, 0, opConst, 0xc0, 0, opLocalGet, 1, opCall, 1,
		opConst, 1, opEnd})
	return m.bytes()
}

// function adds one of type () -> ().
func (m *module) function(locals []byte, code ...[]byte) {
	m.functions = append(m.functions, []byte{typeVoid})
	m.bodies = append(m.bodies, sized(join(append([][]byte{locals}, append(code, []byte{opEnd})...)...)))
}

// bytes assembles the module.
func (m *module) bytes() []byte {
	m.exports[1] = join(name("__guest_call"), []byte{0}, uleb(uint64(len(m.imports))))
	b := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, entries [][]byte) {
		if len(entries) > 0 {
			b = append(append(b, id), sized(append(uleb(uint64(len(entries))), bytes.Join(entries, nil)...))...)
		}
	}
	add(1, m.types)
	add(2, m.imports)
	add(3, m.functions)
	add(4, m.tables)
	add(5, [][]byte{m.memory})
	add(6, m.globals)
	add(7, m.exports)
	add(9, m.elements)
	add(10, m.bodies)
	add(11, m.data)
	if m.custom != nil {
		b = append(append(b, 0), sized(append(name("filler"), m.custom...))...)
	}
	return b
}

func uleb(v uint64) []byte {
	var b []byte
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func sized(b []byte) []byte       { return append(uleb(uint64(len(b))), b...) }
func name(s string) []byte        { return sized([]byte(s)) }
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// times repeats an entry.
func times(n int, entry ...byte) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = entry
	}
	return all
}
