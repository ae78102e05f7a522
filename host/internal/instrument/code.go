package instrument

import "github.com/weftlattice/weft/host/internal/wasmbin"

// The bytes of types and of the instructions that are inserted.
const (
	typeI32  = 0x7f
	typeI64  = 0x7e
	typeF32  = 0x7d
	typeF64  = 0x7c
	typeV128 = 0x7b
	noResult = 0x40

	opUnreachable       = 0x00
	opBlock             = 0x02
	opLoop              = 0x03
	opIf                = 0x04
	opElse              = 0x05
	opEnd               = 0x0b
	opBr                = 0x0c
	opBrIf              = 0x0d
	opBrTable           = 0x0e
	opReturn            = 0x0f
	opCall              = 0x10
	opDrop              = 0x1a
	opSelect            = 0x1b
	opLocalGet          = 0x20
	opLocalSet          = 0x21
	opLocalTee          = 0x22
	opGlobalGet         = 0x23
	opGlobalSet         = 0x24
	opMemorySize        = 0x3f
	opMemoryGrow        = 0x40
	opI32Const          = 0x41
	opI64Const          = 0x42
	opI32Eqz            = 0x45
	opI32LtS            = 0x48
	opI32LtU            = 0x49
	opI32GtU            = 0x4b
	opI32GeS            = 0x4e
	opI64LtS            = 0x53
	opI64GtS            = 0x55
	opI64GtU            = 0x56
	opI32Add            = 0x6a
	opI32Sub            = 0x6b
	opI32Mul            = 0x6c
	opI32And            = 0x71
	opI32Or             = 0x72
	opI32ShrU           = 0x76
	opI64Add            = 0x7c
	opI64Sub            = 0x7d
	opI64Or             = 0x84
	opI64Xor            = 0x85
	opI64Shl            = 0x86
	opI64ShrU           = 0x88
	opI32WrapI64        = 0xa7
	opI64ExtendI32S     = 0xac
	opI64ExtendI32U     = 0xad
	opI32ReinterpretF32 = 0xbc
	opI64ReinterpretF64 = 0xbd
	opF32ReinterpretI32 = 0xbe
	opF64ReinterpretI64 = 0xbf
	opMisc              = 0xfc
	opVector            = 0xfd
	opV128Const         = 0x0c
	opV128Or            = 0x50
)

// code rewrites the code section.
func (m *module) code(r *reader) []byte {
	n := r.Count("function bodies", maxEntries)
	if defined := len(m.functions) - m.imported; n != uint32(defined) {
		r.Fail("%d bodies for %d functions", n, defined)
		return nil
	}
	if n == 0 {
		return r.B
	}
	if uint64(n)*uint64(m.globals) > maxGlobalUses {
		r.Fail("%d functions and %d globals, whose product is to be %d at most", n, m.globals, maxGlobalUses)
		return nil
	}
	f := function{body: body{module: m}, seen: map[uint32]struct{}{}}
	bodies := make([]*reader, n)
	m.summaries = make([]summary, n)
	for i := range bodies {
		size := r.U32()
		if size > maxFunctionBytes {
			r.Fail("function of %d bytes, %d allowed", size, maxFunctionBytes)
		}
		b := r.Take(size)
		bodies[i] = &reader{Reader: wasmbin.Reader{B: b, Base: r.Base + r.Off - len(b), What: r.What, Err: r.Err},
			module: m}
		f.decode(bodies[i], uint32(i+m.imported))
		r.memory = r.memory || bodies[i].memory
		if r.Err = bodies[i].Err; r.Err != nil {
			return nil
		}
		if r.Err = f.checkWidth(); r.Err != nil {
			return nil
		}
		if m.width += f.width; m.width > maxModuleWidth {
			r.Fail("the calls and branches of the functions up to %d pass %d values, %d allowed; "+
				"hand structures over by memory",
				f.index, m.width, maxModuleWidth)
			return nil
		}
		if m.reloads += f.reloads; m.reloads > maxModuleReads {
			r.Fail("the functions up to %d read %d mutable globals again after calls, %d allowed; "+
				"use fewer mutable globals",
				f.index, m.reloads, maxModuleReads)
			return nil
		}
		m.summaries[i] = f.summarize()
		if m.summaries[i].late && !f.pays() {
			m.summaries[i] = summary{}
		}
		if m.locals += uint64(f.locals); m.locals > maxModuleLocals {
			r.Fail("%d locals in the module, %d allowed", m.locals, maxModuleLocals)
		}
	}
	m.findFree()
	out := appendU32(make([]byte, 0, len(r.B)+len(r.B)/4), n+helpers)
	for i, b := range bodies {
		if m.summaries[i].free {
			out = appendBytes(out, b.B)
			continue
		}
		b.Off = 0
		f.decode(b, uint32(i+m.imported))
		out = appendBytes(out, f.rewrite())
	}
	return m.appendHelpers(out)
}

// appendI32 appends a positive v as signed LEB128.
func appendI32(b []byte, v int32) []byte {
	for v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
