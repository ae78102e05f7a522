package typed

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/lattice"
)

// bytesKey marks bytes in JSON.
const bytesKey = "$bytes"

// FromJSON reads the parameters of a call: one JSON text for each. The error is lattice.ErrInvalid, with the place in
// the value and the type that is wanted there.
func FromJSON(f *Func, texts []string) ([]any, error) {
	const op = "read the arguments"
	if len(texts) != len(f.Params) {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: op,
			Detail: fmt.Sprintf("%s wanted, found %d: %s", count(len(f.Params), "argument"), len(texts), brief(f))}
	}
	values := make([]any, len(texts))
	for i, p := range f.Params {
		r := jsonReader{json.NewDecoder(strings.NewReader(texts[i]))}
		r.d.UseNumber()
		var v any
		err := CheckText(texts[i])
		if err == nil {
			v, err = r.value(p.Type)
		}
		if err == nil {
			if _, extra := r.d.Token(); extra != io.EOF { //nolint:errorlint // Token returns it bare
				err = wrong("more than one JSON value")
			}
		}
		if err != nil {
			return nil, invalid(op, in(p.Label, err))
		}
		values[i] = v
	}
	return values, nil
}

// CheckText refuses JSON whose text is not Unicode, which encoding/json would change without a word: bytes that are no
// UTF-8, and one half of a surrogate pair, as "\ud800".
func CheckText(text string) error {
	if !utf8.ValidString(text) {
		return wrong("no JSON: it is not UTF-8; bytes are {%q: \"BASE64\"}", bytesKey)
	}
	unit := func(at int) rune { // the UTF-16 of an escape; 0: there is none
		if at+6 > len(text) || text[at:at+2] != `\u` {
			return 0
		}
		n, err := strconv.ParseUint(text[at+2:at+6], 16, 16)
		if err != nil {
			return 0
		}
		return rune(n)
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		switch u := unit(i); {
		case !utf16.IsSurrogate(u):
			i++ // what is escaped
		case utf16.DecodeRune(u, unit(i+6)) == utf8.RuneError:
			return wrong("%s at byte %d is half of a character", text[i:i+6], i)
		default:
			i += 11
		}
	}
	return nil
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

type jsonReader struct{ d *json.Decoder }

func (r jsonReader) token() (json.Token, error) {
	t, err := r.d.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return nil, wrong("the JSON ends too soon")
	case errors.As(err, &syntax):
		return nil, wrong("no JSON at byte %d: %v", syntax.Offset, err)
	}
	return nil, wrong("no JSON: %v", err)
}

// found describes a token for people.
func found(t json.Token) string {
	switch t := t.(type) {
	case nil:
		return "null"
	case json.Delim:
		return map[json.Delim]string{'{': "an object", '[': "a list", '}': "the end of an object",
			']': "the end of a list"}[t]
	case string:
		text, _ := json.Marshal(clip.Prefix(t, 60))
		return lattice.Printable(string(text))
	}
	return fmt.Sprint(t)
}

func (r jsonReader) value(t *Type) (any, error) {
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	return r.from(token, t)
}

// from makes a value that begins with a token.
func (r jsonReader) from(token json.Token, t *Type) (any, error) {
	switch t.Kind {
	case Bool:
		if b, ok := token.(bool); ok {
			return b, nil
		}
	case String:
		if s, ok := token.(string); ok {
			return s, nil
		}
	case Char:
		s, ok := token.(string)
		if c, n := utf8.DecodeRuneInString(s); ok && n > 0 && n == len(s) {
			return c, nil
		}
	case F32, F64:
		return jsonFloat(token, t)
	case Enum:
		if s, ok := token.(string); ok {
			i, err := t.label(s)
			return Case{Case: uint32(i)}, err
		}
	case List:
		return r.list(token, t)
	case Tuple:
		if token == json.Delim('[') {
			return r.tuple(t)
		}
	case Record:
		if token == json.Delim('{') {
			return r.record(t)
		}
	case Flags:
		if token == json.Delim('[') {
			return r.flags(t)
		}
	case Option:
		return r.option(token, t)
	case Variant, Result:
		return r.variant(token, t)
	default:
		if isWhole(t.Kind) {
			return jsonWhole(token, t)
		}
	}
	return nil, want(t, found(token))
}

func jsonWhole(token json.Token, t *Type) (any, error) {
	digits, ok := token.(string)
	if n, number := token.(json.Number); number {
		digits, ok = n.String(), true
	}
	var n uint64
	var s int64
	negative := strings.HasPrefix(digits, "-")
	err := errors.New("no number")
	switch {
	case ok && negative:
		s, err = strconv.ParseInt(digits, 10, 64)
		n = uint64(s)
		negative = s < 0
	case ok:
		n, err = strconv.ParseUint(digits, 10, 64)
	}
	if err == nil {
		if v, fits := whole(t, n, negative); fits {
			return v, nil
		}
	}
	return nil, want(t, found(token))
}

func jsonFloat(token json.Token, t *Type) (any, error) {
	switch v := token.(type) {
	case json.Number:
		bits := 64
		if t.Kind == F32 {
			bits = 32
		}
		if f, err := strconv.ParseFloat(v.String(), bits); err == nil {
			return float(t, f), nil
		}
	case string:
		for text, f := range map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)} {
			if v == text {
				return float(t, f), nil
			}
		}
	}
	return nil, want(t, found(token))
}

func (r jsonReader) list(token json.Token, t *Type) (any, error) {
	if t.Element.Kind == U8 {
		b, done, err := r.bytes(token, t)
		if done || err != nil {
			if err == nil && t.Len > 0 && len(b) != int(t.Len) {
				err = want(t, count(len(b), "byte"))
			}
			return b, err
		}
	}
	if token != json.Delim('[') {
		return nil, want(t, found(token))
	}
	all, small := []any{}, []byte{}
	n := 0
	for ; r.d.More(); n++ {
		v, err := r.value(t.Element)
		if err != nil {
			return nil, inItem(n, err)
		}
		if b, ok := v.(byte); ok {
			small = append(small, b)
		} else {
			all = append(all, v)
		}
	}
	if _, err := r.token(); err != nil {
		return nil, err
	}
	if t.Len > 0 && n != int(t.Len) {
		return nil, want(t, count(n, "element"))
	}
	if t.Element.Kind == U8 {
		return small, nil
	}
	return all, nil
}

// bytes takes text, or {"$bytes": "BASE64"}; false: it is something else.
func (r jsonReader) bytes(token json.Token, t *Type) ([]byte, bool, error) {
	if s, ok := token.(string); ok {
		return []byte(s), true, nil
	}
	if token != json.Delim('{') {
		return nil, false, nil
	}
	var b []byte
	err := r.object(func(key string) error {
		if key != bytesKey {
			return wrong("want %s: text, a list of numbers or {%q: \"BASE64\"}, found an object with %s", t, bytesKey,
				lattice.Printable(key))
		}
		v, err := r.value(&Type{Kind: String})
		if err != nil {
			return in("."+bytesKey, err)
		}
		if b, err = base64.StdEncoding.DecodeString(v.(string)); err != nil {
			return in("."+bytesKey, wrong("no base64: %v", err))
		}
		return nil
	})
	if err == nil && b == nil {
		b = []byte{}
	}
	return b, true, err
}

// object reads what follows an opening brace. A key comes once.
func (r jsonReader) object(member func(key string) error) error {
	seen := map[string]bool{}
	for r.d.More() {
		token, err := r.token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if seen[key] {
			return wrong("%s is there twice", lattice.Printable(key))
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := r.token()
	return err
}

func (r jsonReader) tuple(t *Type) (any, error) {
	all := make([]any, len(t.Fields))
	n := 0
	for ; r.d.More(); n++ {
		if n == len(all) {
			return nil, want(t, "more elements")
		}
		var err error
		if all[n], err = r.value(t.Fields[n].Type); err != nil {
			return nil, inItem(n, err)
		}
	}
	if _, err := r.token(); err != nil {
		return nil, err
	}
	if n < len(all) {
		return nil, want(t, count(n, "element"))
	}
	return all, nil
}

func (r jsonReader) record(t *Type) (any, error) {
	all, seen := make([]any, len(t.Fields)), make([]bool, len(t.Fields))
	err := r.object(func(key string) error {
		i, err := t.label(key)
		if err != nil {
			return err
		}
		seen[i] = true
		all[i], err = r.value(t.Fields[i].Type)
		return in("."+key, err)
	})
	if err == nil {
		err = missing(t, all, seen)
	}
	return all, err
}

func (r jsonReader) flags(t *Type) (any, error) {
	bits, n := uint32(0), 0
	for ; r.d.More(); n++ {
		v, err := r.value(&Type{Kind: String})
		var i int
		if err == nil {
			i, err = t.label(v.(string))
		}
		if err == nil && bits&(1<<i) != 0 {
			err = wrong("%s is there twice", t.Labels[i])
		}
		if err != nil {
			return nil, inItem(n, err)
		}
		bits |= 1 << i
	}
	_, err := r.token()
	return bits, err
}

func (r jsonReader) option(token json.Token, t *Type) (any, error) {
	if token == nil {
		return Case{}, nil
	}
	if wraps(t) {
		return r.variant(token, t)
	}
	v, err := r.from(token, t.Cases[1].Type)
	return Case{1, v}, err
}

// variant takes "case" or {"case": value}.
func (r jsonReader) variant(token json.Token, t *Type) (any, error) {
	if s, ok := token.(string); ok && t.Kind == Variant {
		i, err := t.label(s)
		if err == nil && t.Cases[i].Type != nil {
			err = wrong("the case %s has a value: want {%q: %s}", s, s, brief(t.Cases[i].Type))
		}
		return Case{Case: uint32(i)}, err
	}
	if token != json.Delim('{') {
		return nil, want(t, found(token))
	}
	var c *Case
	err := r.object(func(key string) error {
		i, err := t.label(key)
		if err != nil {
			return err
		}
		if c != nil {
			return wrong("two cases, %s and %s: want one", t.Cases[c.Case].Label, key)
		}
		c = &Case{Case: uint32(i)}
		if t.Cases[i].Type != nil {
			c.Value, err = r.value(t.Cases[i].Type)
			return in("."+key, err)
		}
		v, err := r.token()
		if err == nil && v != nil {
			err = wrong("the case has no value: want null, found %s", found(v))
		}
		return in("."+key, err)
	})
	switch {
	case err != nil:
		return nil, err
	case c == nil:
		return nil, want(t, "an object without a case")
	}
	return *c, nil
}

// ToJSON writes a value. Bytes are text when they are that and base64 says false.
func ToJSON(t *Type, v any, base64 bool) json.RawMessage {
	w := &jsonWriter{base64: base64}
	w.value(t, v)
	return w.b.Bytes()
}

// BytesToJSON is ToJSON of a list<u8>.
func BytesToJSON(b []byte, base64 bool) json.RawMessage {
	return ToJSON(&Type{Kind: List, Element: &Type{Kind: U8}}, b, base64)
}

type jsonWriter struct {
	b      bytes.Buffer
	base64 bool
}

func (w *jsonWriter) text(s string) {
	enc := json.NewEncoder(&w.b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)           // text has no errors
	w.b.Truncate(w.b.Len() - 1) // the end of the line
}

func (w *jsonWriter) parts(open, end byte, n int, part func(i int)) {
	w.b.WriteByte(open)
	for i := range n {
		if i > 0 {
			w.b.WriteByte(',')
		}
		part(i)
	}
	w.b.WriteByte(end)
}

func (w *jsonWriter) one(key string, t *Type, v any) {
	w.parts('{', '}', 1, func(int) {
		w.text(key)
		w.b.WriteByte(':')
		if t == nil {
			w.b.WriteString("null")
			return
		}
		w.value(t, v)
	})
}

func (w *jsonWriter) value(t *Type, v any) {
	switch t.Kind {
	case String:
		w.text(v.(string))
	case Char:
		w.text(string(v.(rune)))
	case F32:
		w.float(float64(v.(float32)), 32)
	case F64:
		w.float(v.(float64), 64)
	case List:
		if b, ok := v.([]byte); ok {
			if utf8.Valid(b) && !w.base64 {
				w.text(string(b))
				return
			}
			w.parts('{', '}', 1, func(int) {
				w.text(bytesKey)
				w.b.WriteByte(':')
				w.text(base64.StdEncoding.EncodeToString(b))
			})
			return
		}
		all := v.([]any)
		w.parts('[', ']', len(all), func(i int) { w.value(t.Element, all[i]) })
	case Tuple:
		all := v.([]any)
		w.parts('[', ']', len(all), func(i int) { w.value(t.Fields[i].Type, all[i]) })
	case Record:
		all := v.([]any)
		w.parts('{', '}', len(all), func(i int) {
			w.text(t.Fields[i].Label)
			w.b.WriteByte(':')
			w.value(t.Fields[i].Type, all[i])
		})
	case Flags:
		set := setFlags(t, v.(uint32))
		w.parts('[', ']', len(set), func(i int) { w.text(set[i]) })
	case Enum:
		w.text(t.Labels[v.(Case).Case])
	case Option:
		switch c := v.(Case); {
		case c.Case == 0:
			w.b.WriteString("null")
		case wraps(t):
			w.one("some", t.Cases[1].Type, c.Value)
		default:
			w.value(t.Cases[1].Type, c.Value)
		}
	case Variant, Result:
		c := v.(Case)
		one := t.Cases[c.Case]
		if one.Type == nil && t.Kind == Variant {
			w.text(one.Label)
			return
		}
		w.one(one.Label, one.Type, c.Value)
	default:
		fmt.Fprint(&w.b, v)
	}
}

func (w *jsonWriter) float(f float64, bits int) {
	switch {
	case math.IsNaN(f):
		w.text("NaN")
	case math.IsInf(f, 1):
		w.text("Infinity")
	case math.IsInf(f, -1):
		w.text("-Infinity")
	default:
		w.b.WriteString(strconv.FormatFloat(f, jsonFormat(f), -1, bits))
	}
}

// jsonFormat is the format that encoding/json chooses.
func jsonFormat(f float64) byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return 'e'
	}
	return 'f'
}

// setFlags are the labels of the bits that are set.
func setFlags(t *Type, bits uint32) (all []string) {
	for i, l := range t.Labels {
		if bits&(1<<i) != 0 {
			all = append(all, l)
		}
	}
	return all
}
