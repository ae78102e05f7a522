// Package shape makes WebAssembly modules that are valid and extreme: all instructions, types of up to 1000 values,
// many locals, globals and values on the stack, blocks within blocks, long tables, and calls of a host's functions with
// arguments at every edge. A test that compiles or runs them shows what a module can cost.
package shape

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
)

// The bytes of types.
const (
	tI32  = byte(0x7f)
	tI64  = byte(0x7e)
	tF32  = byte(0x7d)
	tF64  = byte(0x7c)
	tV128 = byte(0x7b)
	tFunc = byte(0x70)
	tAny  = byte(0x6f)
)

// op is an instruction that takes and leaves values: its bytes and those after them.
type op struct {
	code      []byte
	from, to  []byte
	immediate func(s *shaper) []byte
}

// ops are all instructions but those of control, locals, globals and calls, which shaper writes by itself.
var ops = func() (all []op) {
	add := func(from, to []byte, immediate func(*shaper) []byte, codes ...int) {
		for _, c := range codes {
			code := []byte{byte(c)}
			if c > 0xff {
				code = []byte{byte(c >> 8), byte(c)}
				if c>>8 == 0xfd && byte(c) >= 0x80 {
					code = append(code, 1)
				}
			}
			all = append(all, op{code, from, to, immediate})
		}
	}
	to := func(first, last int) (codes []int) {
		for c := first; c <= last; c++ {
			codes = append(codes, c)
		}
		return codes
	}
	i, l, f, d, v := []byte{tI32}, []byte{tI64}, []byte{tF32}, []byte{tF64}, []byte{tV128}
	two := func(t []byte) []byte { return append(t[:1:1], t...) }
	memory := func(s *shaper) []byte { return append([]byte{0}, binary.AppendUvarint(nil, uint64(s.extreme(32)))...) }
	// loads and stores
	add(i, i, memory, 0x28, 0x2c, 0x2d, 0x2e, 0x2f)
	add(i, l, memory, append(to(0x30, 0x35), 0x29)...)
	add(i, f, memory, 0x2a)
	add(i, d, memory, 0x2b)
	add(two(i), nil, memory, 0x36, 0x3a, 0x3b)
	add([]byte{tI32, tI64}, nil, memory, 0x37, 0x3c, 0x3d, 0x3e)
	add([]byte{tI32, tF32}, nil, memory, 0x38)
	add([]byte{tI32, tF64}, nil, memory, 0x39)
	zero := func(*shaper) []byte { return []byte{0} }
	add(nil, i, zero, 0x3f)
	add(i, i, zero, 0x40)
	// arithmetic
	add(i, i, nil, append(to(0x67, 0x69), 0x45, 0xc0, 0xc1)...)
	add(two(i), i, nil, append(to(0x46, 0x4f), to(0x6a, 0x78)...)...)
	add(l, i, nil, 0x50, 0xa7)
	add(two(l), i, nil, to(0x51, 0x5a)...)
	add(two(f), i, nil, to(0x5b, 0x60)...)
	add(two(d), i, nil, to(0x61, 0x66)...)
	add(l, l, nil, append(to(0x79, 0x7b), 0xc2, 0xc3, 0xc4)...)
	add(two(l), l, nil, to(0x7c, 0x8a)...)
	add(f, f, nil, to(0x8b, 0x91)...)
	add(two(f), f, nil, to(0x92, 0x98)...)
	add(d, d, nil, to(0x99, 0x9f)...)
	add(two(d), d, nil, to(0xa0, 0xa6)...)
	add(f, i, nil, 0xa8, 0xa9, 0xbc, 0xfc00, 0xfc01)
	add(d, i, nil, 0xaa, 0xab, 0xfc02, 0xfc03)
	add(i, l, nil, 0xac, 0xad)
	add(f, l, nil, 0xae, 0xaf, 0xfc04, 0xfc05)
	add(d, l, nil, 0xb0, 0xb1, 0xbd, 0xfc06, 0xfc07)
	add(i, f, nil, 0xb2, 0xb3, 0xbe)
	add(l, f, nil, 0xb4, 0xb5)
	add(d, f, nil, 0xb6)
	add(i, d, nil, 0xb7, 0xb8)
	add(l, d, nil, 0xb9, 0xba, 0xbf)
	add(f, d, nil, 0xbb)
	// ranges
	three := []byte{tI32, tI32, tI32}
	add(three, nil, func(*shaper) []byte { return []byte{0, 0} }, 0xfc0a) // memory.copy
	add(three, nil, func(*shaper) []byte { return []byte{1, 0} }, 0xfc08) // memory.init
	add(three, nil, zero, 0xfc0b)
	add(nil, nil, func(*shaper) []byte { return []byte{1} }, 0xfc09) // data.drop
	add(nil, nil, zero, 0xfc0d)
	add(three, nil, func(*shaper) []byte { return []byte{0, 0} }, 0xfc0c, 0xfc0e) // table.init 0, table.copy
	// tables and references
	add(i, []byte{tFunc}, zero, 0x25)
	add([]byte{tI32, tFunc}, nil, zero, 0x26)
	add([]byte{tFunc, tI32}, i, zero, 0xfc0f)
	add(nil, i, zero, 0xfc10)
	add([]byte{tI32, tFunc, tI32}, nil, zero, 0xfc11)
	add([]byte{tFunc}, i, nil, 0xd1)
	add([]byte{tAny}, i, nil, 0xd1)
	// vectors
	vector := func(codes []int) []int {
		for n := range codes {
			codes[n] |= 0xfd00
		}
		return codes
	}
	lane := func(lanes int) func(*shaper) []byte {
		return func(s *shaper) []byte { return []byte{byte(s.IntN(lanes))} }
	}
	memoryLane := func(lanes int) func(*shaper) []byte {
		return func(s *shaper) []byte { return append(memory(s), byte(s.IntN(lanes))) }
	}
	add(i, v, memory, vector(append(to(0, 0x0a), 0x5c, 0x5d))...)
	add([]byte{tI32, tV128}, nil, memory, 0xfd0b)
	add(two(v), v, func(s *shaper) (b []byte) {
		for range 16 {
			b = append(b, byte(s.IntN(32)))
		}
		return b
	}, 0xfd0d)
	add(two(v), v, nil, vector(slices.Concat([]int{0x0e}, to(0x23, 0x4c), to(0x4e, 0x51), []int{0x65, 0x66},
		to(0x6e, 0x73), to(0x76, 0x79),
		[]int{0x7b, 0x82, 0x85, 0x86}, to(0x8e, 0x93), to(0x95, 0x99), to(0x9b, 0x9f), []int{0xae, 0xb1},
		to(0xb5, 0xba), to(0xbc, 0xbf),
		[]int{0xce, 0xd1}, to(0xd5, 0xdf), to(0xe4, 0xeb), to(0xf0, 0xf7)))...)
	for n, t := range []byte{tI32, tI32, tI32, tI64, tF32, tF64} {
		add([]byte{t}, v, nil, 0xfd0f+n)
	}
	for _, x := range []struct {
		t       byte
		lanes   int
		extract []int
		replace int
	}{{tI32, 16, []int{0x15, 0x16}, 0x17}, {tI32, 8, []int{0x18, 0x19}, 0x1a}, {tI32, 4, []int{0x1b}, 0x1c},
		{tI64, 2, []int{0x1d}, 0x1e},
		{tF32, 4, []int{0x1f}, 0x20}, {tF64, 2, []int{0x21}, 0x22}} {
		add(v, []byte{x.t}, lane(x.lanes), vector(x.extract)...)
		add([]byte{tV128, x.t}, v, lane(x.lanes), 0xfd00|x.replace)
	}
	add([]byte{tV128, tV128, tV128}, v, nil, 0xfd52)
	add(v, i, nil, vector([]int{0x53, 0x63, 0x64, 0x83, 0x84, 0xa3, 0xa4, 0xc3, 0xc4})...)
	for n, lanes := range []int{16, 8, 4, 2} {
		add([]byte{tI32, tV128}, v, memoryLane(lanes), 0xfd54+n)
		add([]byte{tI32, tV128}, nil, memoryLane(lanes), 0xfd58+n)
	}
	add([]byte{tV128, tI32}, v, nil, vector(slices.Concat(to(0x6b, 0x6d), to(0x8b, 0x8d), to(0xab, 0xad),
		to(0xcb, 0xcd)))...)
	add(v, v, nil, vector(slices.Concat([]int{0x4d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x74, 0x75, 0x7a}, to(0x67, 0x6a),
		to(0x7c, 0x81), to(0x87, 0x8a), []int{0x94},
		[]int{0xa0, 0xa1}, to(0xa7, 0xaa), []int{0xc0, 0xc1}, to(0xc7, 0xca), []int{0xe0, 0xe1, 0xe3, 0xec, 0xed,
			0xef}, to(0xf8, 0xff)))...)
	return all
}()

// traps reports whether an instruction is likely to end the call: accesses, divisions, conversions.
func (o op) traps() bool {
	c := o.code[0]
	return c >= 0x25 && c <= 0x3e || c >= 0x6d && c <= 0x70 || c >= 0x7f && c <= 0x82 || c >= 0xa8 && c <= 0xab ||
		c >= 0xae && c <= 0xb1 ||
		c == 0xfc && o.code[1] >= 8 || c == 0xfd && (o.code[1] <= 0x0b || o.code[1] >= 0x54 && o.code[1] <= 0x5d)
}

// signature is the type of a function or block.
type signature struct{ from, to []byte }

// shaper writes a valid module that is extreme in one respect or several. All of it follows from the seed.
type shaper struct {
	*rand.Rand
	room int  // bytes that code may still take
	calm bool // little in it ends the call, so that much is done

	types     []signature
	functions []int // types, imported ones first
	imported  int
	globals   []byte // types; all mutable
	locals    []byte // of the function being written
	labels    []signature
	floor     int // the outermost label that code which will be nested in itself may name
	code      []byte
	bodies    [][]byte
}

// Module makes the module of a seed, with up to about so many bytes of code. It is an actor: its __guest_call does
// whatever came about, traps, ends, loops for ever, calls the host. most is at least 64.
func Module(seed uint64, most int) []byte {
	s := &shaper{Rand: rand.New(rand.NewPCG(seed, 0))}
	s.room = 1 << (6 + s.IntN(max(1, bits(most)-6)))
	s.calm = s.IntN(2) == 0
	return s.module()
}

func bits(n int) int { return int(math.Log2(float64(n))) + 1 }

// much is a number up to n, small ones as often as large ones.
func (s *shaper) much(n int) int {
	if n <= 0 {
		return 0
	}
	return min(n, int(math.Exp(s.Float64()*math.Log(float64(n)+1))))
}

// extreme is a number that is likely to be at some edge.
func (s *shaper) extreme(width int) uint32 {
	if s.calm && s.IntN(50) > 0 {
		return uint32(s.much(2000)) & uint32(1<<width-1)
	}
	edges := []int64{0, 1, -1, 4, 8, 16, 255, 4096, 65535, 65536, 65532, 1 << 20, 1<<31 - 1, 1 << 31, 1<<31 + 1,
		1<<32 - 8, 32 << 20}
	n := edges[s.IntN(len(edges))]
	if s.IntN(4) == 0 {
		n = int64(s.Uint64() >> s.IntN(64))
	}
	return uint32(n) & uint32(1<<width-1)
}

func (s *shaper) typ() byte {
	return []byte{tI32, tI32, tI64, tF32, tF64, tV128, tFunc, tAny}[s.IntN(8)]
}

func (s *shaper) many(n int) []byte {
	types := make([]byte, max(n, 0))
	mixed, t := s.IntN(2) == 0, s.typ()
	for i := range types {
		if types[i] = t; mixed {
			types[i] = s.typ()
		}
	}
	return types
}

func (s *shaper) module() []byte {
	s.types = []signature{{[]byte{tI32, tI32}, []byte{tI32}}, {nil, nil}}
	for range s.IntN(6) {
		s.types = append(s.types, signature{s.many(s.much(1000) - 1), s.many(s.much(1000) - 1)})
	}
	var imports [][]byte
	for _, f := range HostFunctions {
		s.types = append(s.types, signature{letters(f.Params), letters(f.Results)})
		s.functions = append(s.functions, len(s.types)-1)
		imports = append(imports, slices.Concat(sized([]byte(f.Module)), sized([]byte(f.Name)), []byte{0},
			uleb(len(s.types)-1)))
	}
	s.imported = len(s.functions)
	for range s.much(200) - 1 {
		s.globals = append(s.globals, s.typ())
	}
	n := s.much(8)
	s.functions = append(s.functions, 0, 1)
	for range n {
		s.functions = append(s.functions, s.IntN(len(s.types)))
	}
	for f := s.imported; f < len(s.functions); f++ {
		s.bodies = append(s.bodies, s.body(f))
	}
	var types, functions, globals, bodies, declared [][]byte
	for _, t := range s.types {
		types = append(types, slices.Concat([]byte{0x60}, sized(t.from), sized(t.to)))
	}
	for f := s.imported; f < len(s.functions); f++ {
		functions = append(functions, uleb(s.functions[f]))
		declared = append(declared, uleb(f))
	}
	for _, t := range s.globals {
		globals = append(globals, slices.Concat([]byte{t, 1}, zeroOf(t), []byte{0x0b}))
	}
	for _, b := range s.bodies {
		bodies = append(bodies, sized(b))
	}
	section := func(id byte, entries [][]byte) []byte {
		return append([]byte{id}, sized(slices.Concat(uleb(len(entries)), bytes.Join(entries, nil)))...)
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), section(1, types), section(2, imports),
		section(3, functions),
		section(4, [][]byte{slices.Concat([]byte{tFunc, 0}, uleb(s.much(1000)))}),
		section(5, [][]byte{{0, byte(1 + s.IntN(4))}}), section(6, globals),
		section(7, [][]byte{slices.Concat(sized([]byte("memory")), []byte{2, 0}),
			slices.Concat(sized([]byte("__guest_call")), []byte{0}, uleb(s.imported))}),
		section(9, [][]byte{slices.Concat([]byte{1, 0}, uleb(len(declared)), bytes.Join(declared, nil))}), // passive
		append([]byte{12}, sized(uleb(2))...),
		section(10, bodies), section(11, [][]byte{slices.Concat([]byte{0, 0x41, 0, 0x0b}, sized(s.words(500))),
			slices.Concat([]byte{1}, sized(bytes.Repeat([]byte("x"), s.much(10_000))))}))
}

// words are what the memory begins with: pointers, lengths, vectors of them.
func (s *shaper) words(n int) (b []byte) {
	for range n {
		b = binary.LittleEndian.AppendUint32(b, s.extreme(32))
	}
	return b
}

// letters are types by i for i32 and l for i64.
func letters(s string) []byte {
	types := make([]byte, len(s))
	for n := range s {
		types[n] = map[byte]byte{'i': tI32, 'l': tI64}[s[n]]
	}
	return types
}

func uleb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func sized(b []byte) []byte { return append(uleb(len(b)), b...) }

// zeroOf is an instruction that leaves a zero.
func zeroOf(t byte) []byte {
	switch t {
	case tI32:
		return []byte{0x41, 0}
	case tI64:
		return []byte{0x42, 0}
	case tF32:
		return []byte{0x43, 0, 0, 0, 0}
	case tF64:
		return append([]byte{0x44}, make([]byte, 8)...)
	case tV128:
		return append([]byte{0xfd, 0x0c}, make([]byte, 16)...)
	}
	return []byte{0xd0, t}
}

// body writes a function: values that stay on the stack, pieces of code repeated and nested, and the results.
func (s *shaper) body(f int) []byte {
	t := s.types[s.functions[f]]
	declared := s.many(s.much([]int{10, 300, 50_000}[s.IntN(3)]) - 1)
	s.locals = slices.Concat(t.from, declared)
	s.labels, s.floor, s.code = []signature{{nil, t.to}}, 0, nil
	held := s.many(s.much(min(s.room/4+1, []int{1, 20_000}[s.IntN(2)])) - 1)
	s.push(held...)
	for range 1 + s.IntN(3) {
		s.repeat(0)
	}
	for range held {
		s.code = append(s.code, 0x1a)
	}
	s.push(t.to...)
	s.room -= len(s.code)
	var groups [][]byte
	for n := 0; n < len(declared); {
		m := n
		for m < len(declared) && declared[m] == declared[n] {
			m++
		}
		groups, n = append(groups, append(uleb(m-n), declared[n])), m
	}
	return slices.Concat(uleb(len(groups)), bytes.Join(groups, nil), s.code, []byte{0x0b})
}

// repeat writes a piece once and copies it, one after another or one within another.
func (s *shaper) repeat(depth int) {
	from := len(s.code)
	nest := s.IntN(3) == 0
	var end []byte
	floor := s.floor
	if nest {
		s.floor = len(s.labels)
		end = s.open()
	}
	for range 1 + s.IntN(4) {
		s.piece(depth)
	}
	if nest {
		inner := s.code[from:]
		n := s.much(max(1, min(s.room/(len(inner)+1), 2000)))
		s.labels, s.floor = s.labels[:len(s.labels)-1], floor
		s.code = slices.Concat(s.code[:from], bytes.Repeat(inner, n), bytes.Repeat(end, n))
		return
	}
	one := slices.Clone(s.code[from:])
	n := s.much(max(1, s.room/(len(one)+1)))
	s.code = append(s.code, bytes.Repeat(one, n-1)...)
}

// open begins a block that takes and leaves nothing on the whole, and returns what ends it. Its label may take values.
func (s *shaper) open() (end []byte) {
	t := 1
	if s.IntN(3) == 0 {
		t = s.IntN(len(s.types))
	}
	typ := s.types[t]
	s.push(typ.from...)
	at := s.IntN(3)
	switch at {
	case 0:
		s.code = slices.Concat(s.code, []byte{0x02}, uleb(t))
		s.labels = append(s.labels, signature{nil, typ.to})
	case 1:
		s.code = slices.Concat(s.code, []byte{0x03}, uleb(t))
		s.labels = append(s.labels, signature{nil, typ.from})
	case 2:
		s.push(tI32)
		s.code = slices.Concat(s.code, []byte{0x04}, uleb(t))
		s.labels = append(s.labels, signature{nil, typ.to})
	}
	s.drop(len(typ.from))
	results := func() (b []byte) {
		for _, t := range typ.to {
			b = append(b, zeroOf(t)...)
		}
		return b
	}
	end = results()
	if at == 2 {
		end = slices.Concat(end, []byte{0x05}, bytes.Repeat([]byte{0x1a}, len(typ.from)), results())
	}
	return slices.Concat(end, []byte{0x0b}, bytes.Repeat([]byte{0x1a}, len(typ.to)))
}

// piece writes code that takes and leaves nothing.
func (s *shaper) piece(depth int) {
	switch s.IntN(14) {
	case 0, 1, 2, 3:
		o := ops[s.IntN(len(ops))]
		for s.calm && o.traps() && s.IntN(200) > 0 {
			o = ops[s.IntN(len(ops))]
		}
		s.push(o.from...)
		s.code = append(s.code, o.code...)
		if o.immediate != nil {
			s.code = append(s.code, o.immediate(s)...)
		}
		s.keep(o.to)
	case 4, 12, 13: // the host
		f := s.IntN(s.imported)
		s.call(f)
	case 5:
		s.call(s.imported + s.IntN(len(s.functions)-s.imported))
	case 6:
		if s.calm {
			return
		}
		t := s.IntN(len(s.types))
		s.push(s.types[t].from...)
		s.push(tI32)
		s.code = slices.Concat(s.code, []byte{0x11}, uleb(t), []byte{0})
		s.keep(s.types[t].to)
	case 7, 8:
		s.branch()
	case 9:
		t := s.typ()
		s.push(t, t, tI32)
		s.code = append(s.code, 0x1c, 1, t)
		s.keep([]byte{t})
		if len(s.globals) > 0 {
			g := s.IntN(len(s.globals))
			s.push(s.globals[g])
			s.code = slices.Concat(s.code, []byte{0x24}, uleb(g), []byte{0x23}, uleb(g), []byte{0x1a})
		}
	case 10:
		for n := range s.locals[:min(len(s.locals), s.much(300))] { // what merges must hand on
			if s.room < 4 {
				return
			}
			s.code = slices.Concat(s.code, []byte{0x20}, uleb(n), []byte{0x22}, uleb(n), []byte{0x1a})
			s.room -= 4
		}
	case 11:
		if depth < 3 {
			s.repeat(depth + 1)
		}
	}
}

func (s *shaper) call(f int) {
	t := s.types[s.functions[f]]
	s.push(t.from...)
	s.code = slices.Concat(s.code, []byte{0x10}, uleb(f))
	s.keep(t.to)
}

// branch leaves a block, conditionally, so that what follows can be reached.
func (s *shaper) branch() {
	label := s.IntN(len(s.labels) - s.floor)
	values := s.labels[len(s.labels)-1-label].to
	switch s.IntN(4) {
	case 0, 1:
		s.push(values...)
		s.condition()
		s.code = slices.Concat(s.code, []byte{0x0d}, uleb(label))
		s.drop(len(values))
	case 2: // a table, in an if
		n := s.much(max(1, min(s.room/2, 5000)))
		s.condition()
		s.code = append(s.code, 0x04, 0x40)
		s.push(values...)
		s.push(tI32)
		s.code = slices.Concat(s.code, []byte{0x0e}, uleb(n), bytes.Repeat(uleb(label+1), n+1), []byte{0x0b})
	case 3:
		s.condition()
		s.code = append(s.code, 0x04, 0x40)
		s.push(s.labels[0].to...)
		s.code = append(s.code, 0x0f, 0x0b)
	}
}

// condition leaves whether to go away from here.
func (s *shaper) condition() {
	if s.calm && s.IntN(8) > 0 {
		s.code = append(s.code, 0x41, 0)
		return
	}
	s.push(tI32)
}

// push leaves values of types on the stack.
func (s *shaper) push(types ...byte) {
	for _, t := range types {
		if s.IntN(2) == 0 && len(s.locals) > 0 {
			if n := s.IntN(min(len(s.locals), 1000)); s.locals[n] == t {
				s.code = slices.Concat(s.code, []byte{0x20}, uleb(n))
				continue
			}
		}
		switch t {
		case tI32:
			s.code = append(s.code, 0x41)
			s.code = appendSigned(s.code, int64(int32(s.extreme(32))))
		case tI64:
			s.code = append(s.code, 0x42)
			s.code = appendSigned(s.code, int64(s.extreme(32))<<s.IntN(33))
		case tFunc:
			if s.IntN(2) == 0 {
				s.code = slices.Concat(s.code, []byte{0xd2}, uleb(s.imported+s.IntN(len(s.functions)-s.imported)))
				continue
			}
			s.code = append(s.code, zeroOf(t)...)
		default:
			s.code = append(s.code, zeroOf(t)...)
		}
	}
}

// keep puts what an instruction left into locals, or drops it.
func (s *shaper) keep(types []byte) {
	for _, t := range slices.Backward(types) {
		if n := slices.Index(s.locals, t); n >= 0 && s.IntN(2) == 0 {
			s.code = slices.Concat(s.code, []byte{0x21}, uleb(n))
			continue
		}
		s.drop(1)
	}
}

func (s *shaper) drop(n int) { s.code = append(s.code, bytes.Repeat([]byte{0x1a}, n)...) }

func appendSigned(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		if v >>= 7; v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
