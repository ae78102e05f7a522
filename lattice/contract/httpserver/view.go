package httpserver

import (
	"strings"
	"unsafe"

	"github.com/weftlattice/weft/lattice/msgpack"
)

// View is a Request as a guest wants it: its texts are part of the payload, and its header is decoded when somebody
// asks for it, which few actors do and which costs more than all the rest. The payload must not change as long as the
// view is in use.
type View struct {
	Method string // upper case
	Path   string // with the leading slash, without the query
	Query  string // raw, without the question mark; "" when there is none
	Body   []byte

	raw     []byte // the header as it came, known to be well-formed; nil when it has been decoded
	decoded Header
}

// Decode reads a request into v, with the same leniency and the same errors as DecodeRequest.
func (v *View) Decode(b []byte) error {
	if v.plain(b) {
		return nil
	}
	q, err := DecodeRequest(b)
	if err != nil {
		return err
	}
	*v = View{Method: q.Method, Path: q.Path, Query: q.Query, Body: q.Body, decoded: q.Header}
	return nil
}

// Header returns the whole header. It is decoded once.
func (v *View) Header() Header {
	if v.raw != nil {
		v.decoded = msgpack.NewReader(v.raw).StrsMap()
		v.raw = nil
	}
	return v.decoded
}

// HeaderValue returns the first value of a header, "" when there is none, without decoding the others. The case of name
// does not matter.
func (v *View) HeaderValue(name string) string {
	if v.raw == nil {
		return v.decoded.Get(name)
	}
	name = strings.ToLower(name)
	value := ""
	r := msgpack.NewReader(v.raw)
	for n := r.Map(); n > 0; n-- {
		key := r.Bin()
		if string(key) != name {
			r.Skip()
			continue
		}
		value = "" // the last one counts, as in a map
		for i := range r.Array() {
			if text := r.Bin(); i == 0 {
				value = shared(text)
			}
		}
	}
	return value
}

// shared makes a string of bytes that do not change.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// plain reads a request in the form in which Go and Rust write it: a map with texts as keys, nothing but lengths in
// their shortest forms, arrays of texts in the header. It reports false for others, which need not be wrong. It is one
// function without a call per value since calls are what code compiled to WebAssembly by Go spends its time with.
func (v *View) plain(b []byte) bool {
	*v = View{}
	if len(b) == 0 || b[0]&0xf0 != 0x80 {
		return false
	}
	p, seen := 1, byte(0)
	for fields := b[0] & 0x0f; fields > 0; fields-- {
		if p >= len(b) || b[p]&0xe0 != 0xa0 {
			return false
		}
		start, end := p+1, p+1+int(b[p]&0x1f)
		if end >= len(b) {
			return false
		}
		key := b[start:end]
		var bit byte
		switch len(key) {
		case 6:
			switch {
			case key[0] == 'm' && string(key) == "method":
				bit = 1
			case string(key) == "header":
				bit = 8
			}
		case 4:
			switch {
			case key[0] == 'p' && string(key) == "path":
				bit = 2
			case string(key) == "body":
				bit = 16
			}
		case 11:
			if string(key) == "queryString" {
				bit = 4
			}
		}
		if bit == 0 || seen&bit != 0 {
			return false
		}
		seen |= bit
		if p = end; bit == 8 {
			if p = plainHeader(b, p); p < 0 {
				return false
			}
			v.raw = b[end:p:p]
			continue
		}
		switch c := b[p]; {
		case c&0xe0 == 0xa0:
			start, end = p+1, p+1+int(c&0x1f)
		case (c == 0xc4 || c == 0xd9) && p+1 < len(b):
			start, end = p+2, p+2+int(b[p+1])
		case (c == 0xc5 || c == 0xda) && p+2 < len(b):
			start, end = p+3, p+3+int(b[p+1])<<8+int(b[p+2])
		default:
			return false
		}
		if end > len(b) {
			return false
		}
		p = end
		switch value := b[start:end:end]; bit {
		case 1:
			v.Method = shared(value)
		case 2:
			v.Path = shared(value)
		case 4:
			v.Query = shared(value)
		case 16:
			v.Body = value
		}
	}
	return p == len(b)
}

// plainHeader returns where the header that begins at p ends; -1 when it is not a map of texts to arrays of texts.
func plainHeader(b []byte, p int) int {
	n := 0
	switch c := b[p]; {
	case c&0xf0 == 0x80:
		n, p = int(c&0x0f), p+1
	case c == 0xde && p+2 < len(b):
		n, p = int(b[p+1])<<8|int(b[p+2]), p+3
	default:
		return -1
	}
	texts, values := 1, false // how many come next: the name, then its values
	for n > 0 {
		if p >= len(b) {
			return -1
		}
		switch c := b[p]; {
		case texts == 0 && c&0xf0 == 0x90:
			texts, values = int(c&0x0f), true
			p++
		case texts > 0 && c&0xe0 == 0xa0:
			texts, p = texts-1, p+1+int(c&0x1f)
		case texts > 0 && c == 0xd9 && p+1 < len(b):
			texts, p = texts-1, p+2+int(b[p+1])
		case texts > 0 && c == 0xda && p+2 < len(b):
			texts, p = texts-1, p+3+int(b[p+1])<<8+int(b[p+2])
		default:
			return -1
		}
		if texts == 0 && values {
			texts, values, n = 1, false, n-1
		}
	}
	if p > len(b) {
		return -1
	}
	return p
}
