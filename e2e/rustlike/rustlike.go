// Package rustlike makes a module of the size and shape that a small actor in Rust has, so that figures about such
// actors can be had without a Rust toolchain: 18 pages of memory (1.1 MiB) of which the first MiB is the stack, 100 KiB
// of static data, 600 functions, 400 of them in a table, 20 globals. A call takes its stack frame, reads the request
// onto the heap, works through it, calls through the table, writes to statics, and answers fixed bytes.
package rustlike

import (
	"bytes"
	"encoding/binary"
)

const (
	stackTop  = 1 << 20
	dataBytes = 100 << 10
	heap      = stackTop + dataBytes
	pages     = 18
	functions = 600
	indirect  = 400
	globals   = 20
	mutable   = 4
)

// Module returns an actor that answers every operation with response, which must be shorter than 4 KiB.
func Module(response []byte) []byte { return Working(response, 0) }

// Working is Module with a loop of turns in every call, each of which multiplies and adds; a million take about a
// millisecond of processor time.
func Working(response []byte, turns int) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	const i32 = 0x7f
	b = section(b, 1, vector(
		[]byte{0x60, 2, i32, i32, 1, i32}, // 0: __guest_call
		[]byte{0x60, 2, i32, i32, 0},      // 1: the imports
		[]byte{0x60, 1, i32, 1, i32}))     // 2: all others
	b = section(b, 2, vector(imported("__guest_request"), imported("__guest_response")))
	types := [][]byte{{0}}
	bodies := [][]byte{call(len(response), turns)}
	for n := range functions {
		types = append(types, []byte{2})
		bodies = append(bodies, filler(n))
	}
	b = section(b, 3, vector(types...))
	b = section(b, 4, vector(append([]byte{0x70, 1}, join(number(indirect+1), number(indirect+1))...)))
	b = section(b, 5, vector(append([]byte{0}, number(pages)...)))
	var g [][]byte
	for n := range globals {
		kind := byte(0)
		if n < mutable {
			kind = 1
		}
		g = append(g, join([]byte{i32, kind}, constant(stackTop+n), []byte{end}))
	}
	b = section(b, 6, vector(g...))
	b = section(b, 7, vector(
		append(name("memory"), 2, 0),
		append(name("__guest_call"), 0, 2)))
	var elements [][]byte
	for n := range indirect {
		elements = append(elements, number(3+n))
	}
	b = section(b, 9, vector(join([]byte{0}, constant(1), []byte{end}, vector(elements...))))
	b = section(b, 10, vector(bodies...))
	data := make([]byte, dataBytes)
	for n := range data {
		data[n] = byte(n*n>>3) | 1
	}
	copy(data, response)
	return section(b, 11, vector(join([]byte{0}, constant(stackTop), []byte{end}, number(len(data)), data)))
}

const (
	end      = 0x0b
	localGet = 0x20
	localSet = 0x21
	localTee = 0x22
)

// call is the body of __guest_call: locals 0 and 1 are the sizes of operation and payload, 2 the frame, 3 a sum.
func call(response, turns int) []byte {
	code := join(
		[]byte{1, 2, 0x7f},
		// frame = sp - 6 KiB; sp = frame
		[]byte{0x23, 0}, constant(6<<10), []byte{0x6b, localTee, 2, 0x24, 0},
		// the request, onto the heap
		constant(heap), constant(heap+1024), []byte{0x10, 0},
		// for each byte of the payload, from the last: sum += byte; the sum goes to the frame
		[]byte{0x02, 0x40, 0x03, 0x40, localGet, 1, 0x45, 0x0d, 1, localGet, 1}, constant(1), []byte{0x6b, localTee, 1},
		[]byte{0x2d, 0}, number(heap+1024), []byte{localGet, 3, 0x6a, localSet, 3},
		[]byte{localGet, 2, localGet, 3, 0x36, 2, 16, 0x0c, 0, end, end},
		work(turns),
		// statics on three pages count the calls
		add(stackTop+20<<10), add(stackTop+44<<10), add(stackTop+90<<10),
		// frame[4096] = table[1 + sum % indirect](sum)
		[]byte{localGet, 2, localGet, 3, localGet, 3}, constant(indirect), []byte{0x70}, constant(1),
		[]byte{0x6a, 0x11, 2, 0, 0x36, 2}, number(4096),
		constant(stackTop), constant(response), []byte{0x10, 1},
		// sp = frame + 6 KiB
		[]byte{localGet, 2}, constant(6<<10), []byte{0x6a, 0x24, 0},
		constant(1), []byte{end})
	return append(number(len(code)), code...)
}

// work changes the sum turns times; local 0, which is not needed any more, counts them.
func work(turns int) []byte {
	if turns == 0 {
		return nil
	}
	return join(constant(turns), []byte{localSet, 0, 0x03, 0x40, localGet, 3}, constant(31),
		[]byte{0x6c, localGet, 0, 0x6a, localSet, 3,
			localGet, 0}, constant(1), []byte{0x6b, localTee, 0, 0x0d, 0, end})
}

// add increments the word at an address.
func add(at int) []byte {
	return join(constant(at), constant(at), []byte{0x28, 2, 0}, constant(1), []byte{0x6a, 0x36, 2, 0})
}

// filler is a function of some 60 bytes that computes, reads memory, and calls the next one in a case that never comes.
func filler(n int) []byte {
	code := []byte{1, 1, 0x7f}
	for k := range 4 {
		code = join(code, []byte{localGet, 0}, constant(n+k), []byte{0x6c, localGet, 1, 0x73, localSet, 1})
	}
	code = join(code, constant(stackTop), []byte{0x28, 2, 0, localGet, 1, 0x6a, localSet, 1})
	code = join(code, []byte{localGet, 0}, constant(-1), []byte{0x46, 0x04, 0x40, localGet, 1, 0x10},
		number(3+(n+1)%functions),
		[]byte{localSet, 1, end, localGet, 1, end})
	return append(number(len(code)), code...)
}

func section(b []byte, id byte, body []byte) []byte {
	return join(b, []byte{id}, number(len(body)), body)
}

// vector is a count and the entries.
func vector(entries ...[]byte) []byte {
	return append(number(len(entries)), bytes.Join(entries, nil)...)
}

func imported(function string) []byte { return append(join(name("wasmbus"), name(function)), 0, 1) }

func name(s string) []byte { return append(number(len(s)), s...) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func number(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// constant is the instruction i32.const.
func constant(n int) []byte {
	b := []byte{0x41}
	for {
		c := byte(n & 0x7f)
		if n >>= 7; n == 0 && c&0x40 == 0 || n == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
