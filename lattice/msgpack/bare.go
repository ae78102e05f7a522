package msgpack

// Operations whose argument or result is a simple type carry it bare, as the whole payload. These encode and decode
// such payloads; errors wrap lattice.ErrInvalid.

// EncodeStr returns s as a payload.
func EncodeStr(s string) []byte { return payload(len(s)+5, func(w *Writer) { w.Str(s) }) }

// EncodeStrs returns list as a payload; nil is the empty list.
func EncodeStrs(list []string) []byte {
	size := 5
	for _, s := range list {
		size += 5 + len(s)
	}
	return payload(size, func(w *Writer) { w.Strs(list) })
}

// EncodeBool returns b as a payload.
func EncodeBool(b bool) []byte { return payload(1, func(w *Writer) { w.Bool(b) }) }

// EncodeInt returns n, declared signed, as a payload.
func EncodeInt(n int64) []byte { return payload(9, func(w *Writer) { w.Int(n) }) }

// EncodeUint returns n, declared unsigned, as a payload.
func EncodeUint(n uint64) []byte { return payload(9, func(w *Writer) { w.Uint(n) }) }

// DecodeStr reads a payload that is a string.
func DecodeStr(b []byte) (string, error) { return decode(b, (*Reader).Str) }

// DecodeStrs reads a payload that is a list of strings; the empty list is nil.
func DecodeStrs(b []byte) ([]string, error) { return decode(b, (*Reader).Strs) }

// DecodeBool reads a payload that is a bool.
func DecodeBool(b []byte) (bool, error) { return decode(b, (*Reader).Bool) }

// DecodeInt32 reads a payload that is an int32.
func DecodeInt32(b []byte) (int32, error) { return decode(b, (*Reader).Int32) }

// DecodeUint32 reads a payload that is a uint32.
func DecodeUint32(b []byte) (uint32, error) { return decode(b, (*Reader).Uint32) }

func payload(size int, write func(*Writer)) []byte {
	w := NewWriter(size)
	write(w)
	return w.Bytes()
}

func decode[T any](b []byte, read func(*Reader) T) (T, error) {
	r := NewReader(b)
	v := read(r)
	if err := r.Finish(); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
