// Package msgpack is the small msgpack codec of weft's guests and contracts: no reflection, standard library only,
// compiles with TinyGo. It writes what the wasmbus dialect wants and reads all that its dialects send.
//
// The Writer encodes integers by declared sign: Int uses fixint and the signed formats only, Uint fixint and the
// unsigned formats only. TinyGo actors of old read nothing else. Every length and number takes its shortest form.
//
// The Reader is lenient: any integer format serves any integer, str serves for bin and bin for str, nil stands for an
// absent value and reads as zero. It keeps its first error (a *lattice.Error of code lattice.ErrInvalid that names the
// byte), after which every read answers zero, so that callers check once, with Finish.
//
//	w := msgpack.NewWriter(32)
//	w.Map(1)
//	w.Str("key")
//	w.Uint(7)
//
//	r := msgpack.NewReader(w.Bytes())
//	r.Struct([]string{"key"}, func(int) { n = r.Uint() })
//	err := r.Finish()
//
// What is one simple value has functions of its own: EncodeStr, DecodeStr and their siblings. Readers and Writers are
// not safe for concurrent use.
package msgpack

// Format bytes; what lies between them is ranges of the fix formats.
const (
	fixMap   = 0x80
	fixArray = 0x90
	fixStr   = 0xa0
	codeNil  = 0xc0
	codeNo   = 0xc2
	codeYes  = 0xc3
	bin8     = 0xc4
	bin16    = 0xc5
	bin32    = 0xc6
	ext8     = 0xc7
	ext16    = 0xc8
	ext32    = 0xc9
	float32f = 0xca
	float64f = 0xcb
	uint8f   = 0xcc
	uint16f  = 0xcd
	uint32f  = 0xce
	uint64f  = 0xcf
	int8f    = 0xd0
	int16f   = 0xd1
	int32f   = 0xd2
	int64f   = 0xd3
	fixExt1  = 0xd4
	fixExt16 = 0xd8
	str8     = 0xd9
	str16    = 0xda
	str32    = 0xdb
	array16  = 0xdc
	array32  = 0xdd
	map16    = 0xde
	map32    = 0xdf
	negFix   = 0xe0
)
