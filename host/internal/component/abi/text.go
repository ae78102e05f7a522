package abi

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	component "github.com/weftlattice/weft/host/internal/component/binary"
)

// Text is a string on its way from one guest to another. How it lay in the first decides how room for it is made in the
// second.
type Text struct {
	S     string
	Form  Form
	Units uint32 // code units, in that form
}

// Form is how a string lies in memory.
type Form byte

// The forms. A guest whose encoding is latin1+utf16 has strings of two forms.
const (
	FormUTF8 Form = iota
	FormUTF16
	FormLatin1
	FormTagged // UTF-16 of a guest that may have latin1 as well
)

// text lifts a string; n counts code units.
func (l *Lifter) text(ptr, n uint32) any {
	form, align, width := FormUTF8, uint32(1), uint64(1)
	switch l.Encoding {
	case component.UTF16:
		form, align, width = FormUTF16, 2, 2
	case component.Latin1OrUTF16:
		form, align = FormLatin1, 2
		if n&utf16Tag != 0 {
			form, width, n = FormTagged, 2, n&^utf16Tag
		}
	}
	size := uint64(n) * width
	if size > maxBytes {
		l.trap("a string of %d bytes, %d allowed", size, maxBytes)
		return nil
	}
	if !l.check(ptr, align, size, "a string") || !l.spend(int64(2*size)) {
		return nil
	}
	b := l.mem[ptr : ptr+uint32(size)]
	var s string
	var ok bool
	if l.Lend && form == FormUTF8 {
		s, ok = unsafe.String(unsafe.SliceData(b), len(b)), utf8.Valid(b)
	} else {
		s, ok = decode(b, form)
	}
	if !ok {
		l.trap("a string that is no valid %s", [...]string{"utf-8", "utf-16", "latin1", "utf-16"}[form])
		return nil
	}
	if l.Forward {
		return Text{s, form, n}
	}
	if l.Brief {
		return l.boxes.Text(s)
	}
	return s
}

// decode makes a Go string.
func decode(b []byte, form Form) (string, bool) {
	switch form {
	case FormUTF8:
		return string(b), utf8.Valid(b)
	case FormLatin1:
		out := make([]byte, 0, len(b))
		for _, c := range b {
			out = utf8.AppendRune(out, rune(c))
		}
		return string(out), true
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i += 2 {
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			if i+4 > len(b) {
				return "", false
			}
			if r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[i+2:]))); r == utf8.RuneError {
				return "", false
			}
			i += 2
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out), true
}

// encodeUTF16 makes little-endian UTF-16.
func encodeUTF16(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for _, r := range s {
		if a, b := utf16.EncodeRune(r); a != utf8.RuneError {
			out = binary.LittleEndian.AppendUint16(out, uint16(a))
			out = binary.LittleEndian.AppendUint16(out, uint16(b))
			continue
		}
		out = binary.LittleEndian.AppendUint16(out, uint16(r))
	}
	return out
}

// encodeLatin1 makes latin1; ok is false where a character does not fit, and n is how many did before it.
func encodeLatin1(s string) (out []byte, n int, ok bool) {
	for _, r := range s {
		if r > 0xff {
			return out, len(out), false
		}
		out = append(out, byte(r))
	}
	return out, len(out), true
}

// text lowers a string: it asks the guest for room as the ABI says, which the guest can see. Length is in code units,
// with the tag.
func (w *Lowerer) text(v any) (ptr, length uint32) {
	t, ok := v.(Text)
	if !ok {
		s, isString := v.(string)
		if !isString {
			w.wrong(v, "string")
			return 0, 0
		}
		t = Text{s, FormUTF8, uint32(min(len(s), maxBytes+1))}
	}
	if len(t.S) > maxBytes || t.Units > maxBytes {
		w.trap("a string of %d bytes, %d allowed", len(t.S), maxBytes)
		return 0, 0
	}
	switch w.Encoding {
	case component.UTF16:
		return w.utf16(t)
	case component.Latin1OrUTF16:
		return w.latin1(t)
	}
	if t.Form == FormUTF8 {
		return filled(w, 1, t.S), uint32(len(t.S))
	}
	return w.utf8(t)
}

const gotString = "what realloc returned for a string"

// filled makes room and fills it.
func filled[T string | []byte](w *Lowerer, align uint32, b T) uint32 {
	ptr := w.allocate(align, uint32(len(b)), gotString)
	put(w, ptr, b)
	return ptr
}

// utf8 lowers what was UTF-16 or latin1: it hopes for ASCII first.
func (w *Lowerer) utf8(t Text) (ptr, length uint32) {
	ptr = w.allocate(1, t.Units, gotString)
	ascii := 0 // bytes that are written before that hope is over
	for ascii < len(t.S) && t.S[ascii] < utf8.RuneSelf {
		ascii++
	}
	put(w, ptr, t.S[:ascii])
	if ascii == len(t.S) {
		return ptr, t.Units
	}
	most := 3 * t.Units
	if t.Form == FormLatin1 {
		most = 2 * t.Units
	}
	ptr = w.reallocate(ptr, t.Units, 1, most)
	put(w, ptr, t.S)
	if n := uint32(len(t.S)); n < most {
		ptr = w.reallocate(ptr, most, 1, n)
	}
	return ptr, uint32(len(t.S))
}

func (w *Lowerer) utf16(t Text) (ptr, length uint32) {
	b := encodeUTF16(t.S)
	if t.Form != FormUTF8 {
		return filled(w, 2, b), t.Units
	}
	most := 2 * t.Units
	ptr = w.allocate(2, most, gotString)
	put(w, ptr, b)
	if n := uint32(len(b)); n < most {
		ptr = w.reallocate(ptr, most, 2, n)
	}
	return ptr, uint32(len(b) / 2)
}

// latin1 lowers to the encoding latin1+utf16.
func (w *Lowerer) latin1(t Text) (ptr, length uint32) {
	small, n, fits := encodeLatin1(t.S)
	switch {
	case t.Form == FormLatin1:
		return filled(w, 2, small), t.Units
	case t.Form == FormTagged:
		return w.narrowed(t, small, fits)
	}
	ptr = w.allocate(2, t.Units, gotString)
	put(w, ptr, small)
	if fits {
		if uint32(n) < t.Units {
			ptr = w.reallocate(ptr, t.Units, 2, uint32(n))
		}
		return ptr, uint32(n)
	}
	wide, most := encodeUTF16(t.S), 2*t.Units
	ptr = w.reallocate(ptr, t.Units, 2, most)
	put(w, ptr, wide)
	if uint32(len(wide)) < most {
		ptr = w.reallocate(ptr, most, 2, uint32(len(wide)))
	}
	return ptr, uint32(len(wide)/2) | utf16Tag
}

// narrowed lowers what was UTF-16 though it could have been latin1.
func (w *Lowerer) narrowed(t Text, small []byte, fits bool) (ptr, length uint32) {
	wide := encodeUTF16(t.S)
	ptr = filled(w, 2, wide)
	if !fits {
		return ptr, uint32(len(wide)/2) | utf16Tag
	}
	put(w, ptr, small)
	return w.reallocate(ptr, uint32(len(wide)), 1, uint32(len(small))), uint32(len(small))
}
