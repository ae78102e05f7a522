package wire

import (
	"fmt"
	"slices"
	"sync"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// MaxInlineBytes is the largest payload that travels inside a message: NATS refuses messages above 1 MiB by default,
// and the dialect leaves the rest to addressing and claims. Larger ones travel through the lattice's object store.
const MaxInlineBytes = 900 * 1024

// encoder writes maps with named fields.
type encoder struct{ *msgpack.Writer }

func encode(sizeHint int, fill func(*msgpack.Writer)) []byte {
	w := msgpack.NewWriter(sizeHint)
	fill(w)
	return w.Bytes()
}

func (e encoder) str(k, v string)         { e.Str(k); e.Str(v) }
func (e encoder) uint(k string, v uint64) { e.Str(k); e.Uint(v) }
func (e encoder) bin(k string, v []byte)  { e.Str(k); e.Bin(v) } // never as nil: the dialect has no nil payload

func (e encoder) strMap(k string, m map[string]string) {
	e.Str(k)
	e.Map(len(m))
	if len(m) == 1 {
		for name, value := range m {
			e.str(name, value)
		}
		return
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		e.str(name, m[name])
	}
}

// maxShared is the longest message whose texts share one copy of it. Of a longer one each text is copied, so that a
// small text does not keep a large payload in memory.
const maxShared = 4 << 10

// decoder reads maps with named fields. What it returns as bytes is part of the message.
type decoder struct {
	msgpack.Reader
	data []byte
	text string // all of data, once a text has been read; "" where each is copied
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// decode calls field for every key of the map that b begins with, and turns whatever goes wrong into lattice.ErrInvalid
// that names what was decoded. field reads the value, or returns false for a key that it does not know, whose value is
// skipped.
func decode(what string, b []byte, field func(d *decoder, key []byte) (known bool)) error {
	d := decoders.Get().(*decoder)
	*d = decoder{Reader: *msgpack.NewReader(b), data: b}
	d.each(field)
	err := d.Err()
	*d = decoder{}
	decoders.Put(d)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "decode " + what, Err: err}
	}
	return nil
}

// each calls field for every key of the map that comes next.
func (d *decoder) each(field func(d *decoder, key []byte) (known bool)) {
	for n := d.Map(); n > 0 && d.Err() == nil; n-- {
		if key := d.Bin(); d.Err() == nil && !field(d, key) {
			d.Skip()
		}
	}
}

// str reads a text; nil is "".
func (d *decoder) str() string {
	b := d.Bin()
	if len(b) == 0 || len(d.data) > maxShared {
		return string(b)
	}
	if d.text == "" {
		d.text = string(d.data)
	}
	end := d.Read()
	return d.text[end-len(b) : end]
}

// bytes reads bytes from bin, from str, or from an array of numbers as Rust's serde writes a Vec<u8>; nil is nil.
func (d *decoder) bytes() []byte {
	if !d.NextIsArray() {
		return d.Bin()
	}
	n := d.Array()
	b := make([]byte, 0, min(n, 4096))
	for ; n > 0 && d.Err() == nil; n-- {
		v := d.Uint()
		if v > 255 {
			d.Fail(fmt.Sprintf("byte array holds %d", v))
		}
		b = append(b, byte(v))
	}
	return b
}

// uint reads a number and reports whether there was one; nil is none.
func (d *decoder) uint() (v uint64, there bool) {
	if d.Nil() {
		return 0, false
	}
	return d.Uint(), true
}

// strMap reads a map of texts; nil is nil.
func (d *decoder) strMap() map[string]string {
	if d.Nil() {
		return nil
	}
	n := d.Map()
	m := make(map[string]string, min(n, 64))
	for ; n > 0 && d.Err() == nil; n-- {
		k := d.str()
		m[k] = d.str()
	}
	return m
}
