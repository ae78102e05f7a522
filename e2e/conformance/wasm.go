package main

// The probe is an actor of a few instructions that does what its caller asks. The first letter of the operation says
// what:
//
//	R  answer with the payload             r  return success without an answer
//	E  fail with the payload as text       e  fail without a text
//	B  set an error, answer, and succeed   T  trap
//	O  answer with the operation           I  answer with the initialisers that ran, a bit each:
//	                                          1 _initialize, 2 _start, 4 wapc_init
//	C  make the call in the payload (see hostCall) and answer the result's bits: 4 bytes little endian, then response
//	   or error text
//	D  as C, but read the response or error twice and answer the second
//	U  as C, but do not look at the outcome at all; answer "unread"
//	L  write the payload to the console and answer "logged"

// Addresses in the probe's memory: six parts of its own, the payload and the answer.
const (
	addrText    = 16
	addrHead    = 1 << 10 // 4 bytes before an answer
	addrOp      = 2 << 10
	addrPayload = 64 << 10
	addrAnswer  = 4<<20 + 4
	probePages  = 160 // 10 MiB
)

// Instructions.
const (
	opUnreachable = 0x00
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opReturn      = 0x0f
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opLoad8       = 0x2d
	opStore       = 0x36
	opConst       = 0x41
	opEq          = 0x46
	opAdd         = 0x6a
	opOr          = 0x72
	void          = 0x40
	i32           = 0x7f
)

// code is a function's body being written.
type code []byte

func (c *code) op(b ...byte) *code { *c = append(*c, b...); return c }

// sleb is the signed form of an operand.
func sleb(v int32) []byte {
	var b []byte
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func (c *code) num(v int32) *code    { return c.op(opConst).op(sleb(v)...) }
func (c *code) get(local byte) *code { return c.op(opLocalGet, local) }
func (c *code) set(local byte) *code { return c.op(opLocalSet, local) }
func (c *code) call(f byte) *code    { return c.op(opCall, f) }
func (c *code) ret(v int32) *code    { return c.num(v).op(opReturn) }
func (c *code) load8(at int32) *code { return c.num(at).op(opLoad8, 0, 0) }
func (c *code) plus(v int32) *code   { return c.num(v).op(opAdd) }
func (c *code) end() *code           { return c.op(opEnd) }
func (c *code) when(letter byte) *code {
	return c.load8(addrOp).num(int32(letter)).op(opEq, opIf, void)
}

// Imported functions of the probe, in this order.
const (
	fnRequest = iota
	fnResponse
	fnError
	fnHostCall
	fnResponseLen
	fnHostResponse
	fnErrorLen
	fnHostError
	fnConsole
	fnProcExit // only with wasi
)

// probe says what a probe module is made of.
type probe struct {
	imports    string // "wasmbus" or "wapc"
	initialize bool
	start      bool // which ends with proc_exit(0)
	wapcInit   bool
	filler     string // makes modules differ
}

func section(id byte, items ...[]byte) []byte {
	body := uleb(uint64(len(items)))
	for _, item := range items {
		body = append(body, item...)
	}
	return append(append([]byte{id}, uleb(uint64(len(body)))...), body...)
}

func name(s string) []byte { return append(uleb(uint64(len(s))), s...) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func functionType(params, results int) []byte {
	b := append([]byte{0x60}, byte(params))
	for range params {
		b = append(b, i32)
	}
	b = append(b, byte(results))
	for range results {
		b = append(b, i32)
	}
	return b
}

// module builds the probe, without claims.
func (p probe) module() []byte {
	types := section(1, functionType(2, 0), functionType(8, 1), functionType(0, 1), functionType(1, 0),
		functionType(2, 1), functionType(0, 0))
	imported := func(module, fn string, typ byte) []byte { return join(name(module), name(fn), []byte{0, typ}) }
	imports := [][]byte{
		imported(p.imports, "__guest_request", 0), imported(p.imports, "__guest_response", 0),
		imported(p.imports, "__guest_error", 0),
		imported(p.imports, "__host_call", 1), imported(p.imports, "__host_response_len", 2),
		imported(p.imports, "__host_response", 3),
		imported(p.imports, "__host_error_len", 2), imported(p.imports, "__host_error", 3),
		imported(p.imports, "__console_log", 0),
	}
	if p.start {
		imports = append(imports, imported("wasi_snapshot_preview1", "proc_exit", 3))
	}
	next := byte(len(imports))
	funcs := [][]byte{{4}}
	bodies := [][]byte{p.guestCall()}
	exports := [][]byte{join(name("memory"), []byte{2, 0}), join(name("__guest_call"), []byte{0, next})}
	initialiser := func(export string, bit int32, exit bool) {
		next++
		var c code
		c.op(opGlobalGet, 0).num(bit).op(opOr, opGlobalSet, 0)
		if exit {
			c.num(0).call(fnProcExit)
		}
		funcs, bodies, exports = append(funcs, []byte{5}), append(bodies, body(nil, *c.end())),
			append(exports, join(name(export), []byte{0, next}))
	}
	if p.initialize {
		initialiser("_initialize", 1, false)
	}
	if p.start {
		initialiser("_start", 2, true)
	}
	if p.wapcInit {
		initialiser("wapc_init", 4, false)
	}
	texts := section(11, join([]byte{0, opConst, addrText, opEnd}, name("unreadlogged")))
	custom := join(name("conformance"), []byte(p.filler))
	return join([]byte("\x00asm\x01\x00\x00\x00"), types, section(2, imports...), section(3, funcs...),
		section(5, join([]byte{0}, uleb(probePages))), section(6, []byte{i32, 1, opConst, 0, opEnd}),
		section(7, exports...),
		section(10, bodies...), texts, join([]byte{0}, uleb(uint64(len(custom))), custom))
}

func body(locals []byte, c code) []byte {
	if locals == nil {
		locals = []byte{0}
	}
	b := append(locals, c...)
	return append(uleb(uint64(len(b))), b...)
}

// guestCall is the probe's entry. Locals: 0 length of the operation, 1 of the payload, 2 result of a call, 3 length of
// its answer.
func (p probe) guestCall() []byte {
	var c code
	c.num(addrOp).num(addrPayload).call(fnRequest)
	c.when('R').num(addrPayload).get(1).call(fnResponse).ret(1).end()
	c.when('r').ret(1).end()
	c.when('E').num(addrPayload).get(1).call(fnError).ret(0).end()
	c.when('e').ret(0).end()
	c.when('B').num(addrPayload).get(1).call(fnError).num(addrPayload).get(1).call(fnResponse).ret(1).end()
	c.when('T').op(opUnreachable).end()
	c.when('O').num(addrOp).get(0).call(fnResponse).ret(1).end()
	c.when('I').num(addrHead).op(opGlobalGet, 0).op(opStore, 2, 0).num(addrHead).num(4).call(fnResponse).ret(1).end()
	c.when('L').num(addrPayload).get(1).call(fnConsole).num(addrText + 6).num(6).call(fnResponse).ret(1).end()
	hostCall(&c)
	c.when('U').num(addrText).num(6).call(fnResponse).ret(1).end()
	c.get(2).num(1).op(opEq, opIf, void)
	c.call(fnResponseLen).set(3).num(addrAnswer).call(fnHostResponse)
	c.when('D').num(addrAnswer).call(fnHostResponse).call(fnResponseLen).set(3).end()
	c.op(opElse)
	c.call(fnErrorLen).set(3).num(addrAnswer).call(fnHostError)
	c.when('D').num(addrAnswer).call(fnHostError).call(fnErrorLen).set(3).end()
	c.end()
	c.num(addrAnswer-4).get(2).op(opStore, 2, 0)
	c.num(addrAnswer - 4).get(3).plus(4).call(fnResponse)
	return body([]byte{1, 2, i32}, *c.num(1).end())
}

// hostCall writes the call that is in the payload: lengths of binding, namespace and operation, a byte each, then
// these, then the payload of the call.
func hostCall(c *code) {
	const first = addrPayload + 3
	b, n, o := int32(addrPayload), int32(addrPayload+1), int32(addrPayload+2)
	c.num(first).load8(b)                                                          // binding
	c.num(first).load8(b).op(opAdd).load8(n)                                       // namespace
	c.num(first).load8(b).op(opAdd).load8(n).op(opAdd).load8(o)                    // operation
	c.num(first).load8(b).op(opAdd).load8(n).op(opAdd).load8(o).op(opAdd)          // payload
	c.get(1).num(3).op(0x6b).load8(b).op(0x6b).load8(n).op(0x6b).load8(o).op(0x6b) // i32.sub
	c.call(fnHostCall).set(2)
}

// callPayload is the payload of the probe's operations C, D and U.
func callPayload(binding, namespace, operation string, payload []byte) []byte {
	b := []byte{byte(len(binding)), byte(len(namespace)), byte(len(operation))}
	b = append(b, binding+namespace+operation...)
	return append(b, payload...)
}
