package wire

import (
	"bytes"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
	"github.com/weftlattice/weft/lattice"
	own "github.com/weftlattice/weft/lattice/msgpack"
)

// MaxInlineBytes is the largest payload that travels inside a message: NATS refuses messages above 1 MiB by default, and
// the dialect leaves the rest to addressing and claims. Larger ones travel through the lattice's object store.
const MaxInlineBytes = 900 * 1024

// maxDepth bounds how deep a value that nobody asked for may nest.
const maxDepth = 32

// encoder writes named fields through the library's primitives. Writing to memory can not fail.
type encoder struct {
	*msgpack.Encoder
	buf bytes.Buffer
}

func encode(sizeHint int, fill func(*encoder)) []byte {
	e := &encoder{Encoder: msgpack.GetEncoder()}
	defer msgpack.PutEncoder(e.Encoder)
	e.buf.Grow(sizeHint)
	e.Reset(&e.buf)
	fill(e)
	return e.buf.Bytes()
}

func (e *encoder) mapLen(n int)            { _ = e.EncodeMapLen(n) }
func (e *encoder) key(k string)            { _ = e.EncodeString(k) }
func (e *encoder) str(k, v string)         { e.key(k); _ = e.EncodeString(v) }
func (e *encoder) uint(k string, v uint64) { e.key(k); _ = e.EncodeUint(v) }

// bin writes bytes as bin, never as nil: the dialect has no nil payload.
func (e *encoder) bin(k string, v []byte) {
	e.key(k)
	_ = e.EncodeBytesLen(len(v))
	e.buf.Write(v)
}

func (e *encoder) strMap(k string, m map[string]string) {
	e.key(k)
	e.mapLen(len(m))
	for _, name := range sortedKeys(m) {
		e.str(name, m[name])
	}
}

// decode runs read over b and turns whatever goes wrong into lattice.ErrInvalid that names what was decoded. Lengths that
// exceed b are refused first: the library would make room for a megabyte of what they promise, keep it with its decoder, and
// add to it with the next such message, up to 4 GiB.
func decode(what string, b []byte, read func(*msgpack.Decoder) error) error {
	whole := own.NewReader(b)
	if whole.Skip(); whole.Err() != nil {
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "decode " + what, Err: whole.Err()}
	}
	d := msgpack.GetDecoder()
	defer msgpack.PutDecoder(d)
	r := bytes.NewReader(b)
	d.Reset(r)
	if err := read(d); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return &lattice.Error{Code: lattice.ErrInvalid, Op: "decode " + what, Err: err}
	}
	return nil
}

// eachField calls field for every key of a map; keys that it does not know are skipped.
func eachField(d *msgpack.Decoder, field func(key string) (known bool, err error)) error {
	n, err := d.DecodeMapLen()
	if err != nil {
		return err
	}
	var buf [32]byte // holds the name of any field that is known
	for range n {
		key, err := fieldName(d, buf[:])
		if err != nil {
			return err
		}
		known, err := field(key)
		if err == nil && !known {
			err = skip(d, maxDepth)
		}
		if err != nil {
			return fmt.Errorf("field %s: %w", lattice.Printable(key), err)
		}
	}
	return nil
}

// fieldNames are those of invocations and responses, which are on the hot path: they are not made anew for each message.
var fieldNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range [...]string{"origin", "target", "operation", "msg", "id", "encoded_claims", "host_id", "content_length", "traceContext",
		"public_key", "link_name", "contract_id", "invocation_id", "error", "traceparent", "tracestate"} {
		m[name] = name
	}
	return m
}()

// fieldName reads a key of a map, as Decoder.DecodeString does.
func fieldName(d *msgpack.Decoder, buf []byte) (string, error) {
	n, err := d.DecodeBytesLen()
	if err != nil || n <= 0 { // nil counts as empty
		return "", err
	}
	if n > len(buf) { // decode has seen that there is as much
		buf = make([]byte, n)
	}
	if err := d.ReadFull(buf[:n]); err != nil {
		return "", err
	}
	if name, ok := fieldNames[string(buf[:n])]; ok {
		return name, nil
	}
	return string(buf[:n]), nil
}

// skip passes over one value. The library's own Skip has no depth limit.
func skip(d *msgpack.Decoder, depth int) error {
	c, err := d.PeekCode()
	if err != nil {
		return err
	}
	if depth == 0 {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	n, values := 0, 1
	switch {
	case msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32:
		n, err = d.DecodeMapLen()
		values = 2
	case msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32:
		n, err = d.DecodeArrayLen()
	default:
		return d.Skip()
	}
	for i := 0; err == nil && i < n*values; i++ {
		err = skip(d, depth-1)
	}
	return err
}

func isNil(d *msgpack.Decoder) (bool, error) {
	c, err := d.PeekCode()
	if err != nil || c != msgpcode.Nil {
		return false, err
	}
	return true, d.DecodeNil()
}

// str reads a string; nil counts as absent.
func str(d *msgpack.Decoder, to *string) error {
	if none, err := isNil(d); none || err != nil {
		return err
	}
	s, err := d.DecodeString()
	*to = s
	return err
}

// bin reads bytes from bin, from str, or from an array of numbers as Rust's serde writes a Vec<u8>.
func bin(d *msgpack.Decoder, to *[]byte) error {
	c, err := d.PeekCode()
	if err != nil {
		return err
	}
	if !msgpcode.IsFixedArray(c) && c != msgpcode.Array16 && c != msgpcode.Array32 {
		*to, err = d.DecodeBytes()
		return err
	}
	n, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	b := make([]byte, 0, min(n, 4096))
	for range n {
		v, err := d.DecodeUint64()
		if err != nil {
			return err
		}
		if v > 255 {
			return fmt.Errorf("byte array holds %d", v)
		}
		b = append(b, byte(v))
	}
	*to = b
	return nil
}

func strMap(d *msgpack.Decoder, to *map[string]string) error {
	if none, err := isNil(d); none || err != nil {
		return err
	}
	m := map[string]string{}
	err := eachField(d, func(key string) (bool, error) {
		var v string
		err := str(d, &v)
		m[key] = v
		return true, err
	})
	*to = m
	return err
}
