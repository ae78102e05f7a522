package typed

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

// Grant is asked before values or a payload take so many bytes more; its error ends the work. nil: any number.
type Grant func(bytes int64) error

// allowance is what a grant has given.
type allowance struct {
	grant   Grant
	granted int64
}

const step = 16 << 10 // bytes that are asked for at least

func (a *allowance) spend(n int64) error {
	if a.granted -= n; a.granted >= 0 || a.grant == nil {
		return nil
	}
	more := max(-a.granted, step)
	a.granted += more
	return a.grant(more)
}

// EncodeParams writes the payload of a call. The error is that of grant.
func EncodeParams(f *Func, values []any, grant Grant) ([]byte, error) {
	w := newWriter(grant)
	w.Array(len(values))
	for i, p := range f.Params {
		w.value(p.Type, values[i])
	}
	return w.Bytes(), w.err
}

// EncodeResult writes the payload of an answer; of a function without a result it is empty. The error is that of grant.
func EncodeResult(f *Func, v any, grant Grant) ([]byte, error) {
	if f.Result == nil {
		return nil, nil
	}
	w := newWriter(grant)
	w.value(f.Result, v)
	return w.Bytes(), w.err
}

// writer stops at the first error of its grant.
type writer struct {
	*msgpack.Writer
	allowance
	paid int
	err  error
}

func newWriter(grant Grant) *writer {
	return &writer{Writer: msgpack.NewWriter(64), allowance: allowance{grant: grant}}
}

// pay asks for what has been written, and for more bytes that come next.
func (w *writer) pay(next int) bool {
	if n := len(w.Bytes()) + next - w.paid; n > 0 && w.err == nil {
		w.paid += n
		w.err = w.spend(int64(n))
	}
	return w.err == nil
}

func (w *writer) value(t *Type, v any) {
	switch t.Kind {
	case Bool:
		w.Bool(v.(bool))
	case S8:
		w.whole(int64(v.(int8)))
	case S16:
		w.whole(int64(v.(int16)))
	case S32:
		w.whole(int64(v.(int32)))
	case S64:
		w.whole(v.(int64))
	case U8:
		w.Uint(uint64(v.(uint8)))
	case U16:
		w.Uint(uint64(v.(uint16)))
	case U32:
		w.Uint(uint64(v.(uint32)))
	case U64:
		w.Uint(v.(uint64))
	case F32:
		w.Float64(float64(v.(float32)))
	case F64:
		w.Float64(v.(float64))
	case Char:
		w.Str(string(v.(rune)))
	case String:
		if s := v.(string); w.pay(len(s)) {
			w.Str(s)
		}
	case List:
		w.list(t, v)
	case Tuple:
		w.Array(len(t.Fields))
		for i, e := range v.([]any) {
			w.value(t.Fields[i].Type, e)
		}
	case Record:
		w.Map(len(t.Fields))
		for i, e := range v.([]any) {
			w.Str(t.Fields[i].Label)
			w.value(t.Fields[i].Type, e)
		}
	case Flags:
		w.Strs(setFlags(t, v.(uint32)))
	case Enum:
		w.Str(t.Labels[v.(Case).Case])
	case Option:
		c := v.(Case)
		if c.Case == 0 {
			w.Nil()
			return
		}
		if wraps(t) {
			w.Map(1)
			w.Str(t.Cases[1].Label)
		}
		w.value(t.Cases[1].Type, c.Value)
	case Variant, Result:
		c := v.(Case)
		one := t.Cases[c.Case]
		if one.Type == nil && t.Kind == Variant {
			w.Str(one.Label)
			return
		}
		w.Map(1)
		w.Str(one.Label)
		if one.Type == nil {
			w.Nil()
			return
		}
		w.value(one.Type, c.Value)
	default:
		panic(fmt.Sprintf("typed: a %s has no values", t.Kind))
	}
}

// list writes a list. Each element is paid for when it is written, so that what is written and not paid for is one
// element without its own lists and texts.
func (w *writer) list(t *Type, v any) {
	if b, ok := v.([]byte); ok {
		if w.pay(len(b)) {
			w.Bin(b)
		}
		return
	}
	all := v.([]any)
	w.Array(len(all))
	for _, e := range all {
		if !w.pay(0) {
			return
		}
		w.value(t.Element, e)
	}
}

// whole writes a number in its only encoding, whatever its type.
func (w *writer) whole(n int64) {
	if n >= 0 {
		w.Uint(uint64(n))
		return
	}
	w.Int(n)
}

// DecodeParams reads the payload of a call. The error is lattice.ErrInvalid, with the place in the value and the type
// that is wanted there, or that of grant. Nothing is made for what the payload merely promises.
func DecodeParams(f *Func, payload []byte, grant Grant) ([]any, error) {
	r := reader{msgpack.NewReader(payload), allowance{grant: grant}}
	n, err := r.array()
	if err == nil && n != len(f.Params) {
		err = wrong("%s wanted, found %d: %s", count(len(f.Params), "argument"), n, brief(f))
	}
	if err != nil {
		return nil, invalid("read the arguments", err)
	}
	values := make([]any, n)
	for i, p := range f.Params {
		if values[i], err = r.value(p.Type); err != nil {
			return nil, invalid("read the arguments", in(p.Label, err))
		}
	}
	return values, invalid("read the arguments", r.end())
}

// DecodeResult reads the payload of an answer. See DecodeParams.
func DecodeResult(f *Func, payload []byte, grant Grant) (any, error) {
	const op = "read the result"
	if f.Result == nil {
		if len(payload) > 0 && !(len(payload) == 1 && payload[0] == 0xc0) {
			return nil, invalid(op, wrong("want none, found %s", count(len(payload), "byte")))
		}
		return nil, nil
	}
	r := reader{msgpack.NewReader(payload), allowance{grant: grant}}
	v, err := r.value(f.Result)
	if err == nil {
		err = r.end()
	}
	return v, invalid(op, err)
}

type reader struct {
	*msgpack.Reader
	allowance
}

const valueCost = 48 // about what a Go value takes, with its interface

func (r *reader) end() error {
	if err := r.Finish(); err != nil {
		return wrong("%s", detail(err))
	}
	return nil
}

// detail is what msgpack says of a value.
func detail(err error) string {
	var e *lattice.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return err.Error()
}

// check is the error of what was just read.
func (r *reader) check(t *Type) error {
	if err := r.Err(); err != nil {
		return wrong("want %s: %s", brief(t), detail(err))
	}
	return nil
}

func (r *reader) array() (int, error) {
	if r.Nil() {
		return 0, wrong("want a list, found nothing")
	}
	n := r.Array()
	if err := r.Err(); err != nil {
		return 0, wrong("want a list: %s", detail(err))
	}
	return n, nil
}

// text reads str; bytes will do.
func (r *reader) text() ([]byte, error) {
	b := r.Bin()
	if err := r.Err(); err != nil {
		return nil, wrong("want text: %s", detail(err))
	}
	return b, r.spend(int64(len(b)))
}

func (r *reader) value(t *Type) (any, error) {
	if err := r.spend(valueCost); err != nil {
		return nil, err
	}
	if r.Nil() {
		if t.Kind == Option {
			return Case{}, nil
		}
		return nil, want(t, "nothing")
	}
	switch t.Kind {
	case Bool:
		return r.Bool(), r.check(t)
	case F32, F64:
		f := r.Float64()
		return float(t, f), r.check(t)
	case Char:
		b, err := r.text()
		c, n := utf8.DecodeRune(b)
		if err == nil && (n != len(b) || c == utf8.RuneError && n < 2) {
			err = want(t, count(len(b), "byte")+" of text")
		}
		return c, err
	case String:
		b, err := r.text()
		if err == nil && !utf8.Valid(b) {
			err = want(t, "bytes that are not UTF-8")
		}
		return string(b), err
	case List:
		return r.list(t)
	case Tuple:
		n, err := r.array()
		if err == nil && n != len(t.Fields) {
			err = want(t, count(n, "element"))
		}
		if err != nil {
			return nil, err
		}
		all := make([]any, n)
		for i, f := range t.Fields {
			if all[i], err = r.value(f.Type); err != nil {
				return nil, inItem(i, err)
			}
		}
		return all, nil
	case Record:
		return r.record(t)
	case Flags:
		return r.flags(t)
	case Enum:
		b, err := r.text()
		if err != nil {
			return nil, err
		}
		i, err := t.label(string(b))
		return Case{Case: uint32(i)}, err
	case Option:
		if wraps(t) {
			return r.variant(t)
		}
		v, err := r.value(t.Cases[1].Type)
		return Case{1, v}, err
	case Variant, Result:
		return r.variant(t)
	}
	if !isWhole(t.Kind) {
		return nil, wrong("a %s has no values", t.Kind)
	}
	return r.whole(t)
}

func (r *reader) whole(t *Type) (any, error) {
	if t.Kind[0] == 's' {
		n := r.Int()
		if err := r.check(t); err != nil {
			return nil, err
		}
		if v, fits := whole(t, uint64(n), n < 0); fits {
			return v, nil
		}
		return nil, want(t, fmt.Sprint(n))
	}
	n := r.Uint()
	if err := r.check(t); err != nil {
		return nil, err
	}
	if v, fits := whole(t, n, false); fits {
		return v, nil
	}
	return nil, want(t, fmt.Sprint(n))
}

func (r *reader) list(t *Type) (any, error) {
	if t.Element.Kind == U8 && !r.NextIsArray() {
		b, err := r.text()
		if err == nil && t.Len > 0 && len(b) != int(t.Len) {
			err = want(t, count(len(b), "byte"))
		}
		return append(make([]byte, 0, len(b)), b...), err
	}
	n, err := r.array()
	if err == nil && t.Len > 0 && n != int(t.Len) {
		err = want(t, count(n, "element"))
	}
	if err == nil {
		err = r.spend(16 * int64(n)) // before anything is made for them
	}
	if err != nil {
		return nil, err
	}
	if t.Element.Kind == U8 {
		all := make([]byte, n)
		for i := range all {
			v, err := r.value(t.Element)
			if err != nil {
				return nil, inItem(i, err)
			}
			all[i] = v.(byte)
		}
		return all, nil
	}
	all := make([]any, n)
	for i := range all {
		if all[i], err = r.value(t.Element); err != nil {
			return nil, inItem(i, err)
		}
	}
	return all, nil
}

// pairs reads a map: how many pairs there are, of which the keys follow.
func (r *reader) pairs(t *Type) (int, error) {
	n := r.Map()
	return n, r.check(t)
}

func (r *reader) record(t *Type) (any, error) {
	n, err := r.pairs(t)
	if err == nil {
		err = r.spend(17 * int64(len(t.Fields)))
	}
	if err != nil {
		return nil, err
	}
	all, seen := make([]any, len(t.Fields)), make([]bool, len(t.Fields))
	for at := range n {
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		i := at
		if i >= len(t.Fields) || t.Fields[i].Label != string(key) { // not in the order of the type
			if i, err = t.label(string(key)); err != nil {
				return nil, err
			}
		}
		if seen[i] {
			return nil, wrong("%s is there twice", t.Fields[i].Label)
		}
		seen[i] = true
		if all[i], err = r.value(t.Fields[i].Type); err != nil {
			return nil, in("."+t.Fields[i].Label, err)
		}
	}
	return all, missing(t, all, seen)
}

func (r *reader) flags(t *Type) (any, error) {
	n, err := r.array()
	if err != nil {
		return nil, err
	}
	bits := uint32(0)
	for at := range n {
		b, err := r.text()
		var i int
		if err == nil {
			i, err = t.label(string(b))
		}
		if err == nil && bits&(1<<i) != 0 {
			err = wrong("%s is there twice", t.Labels[i])
		}
		if err != nil {
			return nil, inItem(at, err)
		}
		bits |= 1 << i
	}
	return bits, nil
}

func (r *reader) variant(t *Type) (any, error) {
	key, bare := []byte(nil), r.NextIsText() && t.Kind == Variant
	var err error
	if !bare {
		var n int
		if n, err = r.pairs(t); err == nil && n != 1 {
			err = want(t, count(n, "case"))
		}
	}
	if err == nil {
		key, err = r.text()
	}
	if err != nil {
		return nil, err
	}
	i, err := t.label(string(key))
	if err != nil {
		return nil, err
	}
	c := Case{Case: uint32(i)}
	switch one := t.Cases[i]; {
	case one.Type == nil && !bare && !r.Nil():
		err = wrong("the case %s has no value: want nothing", one.Label)
	case one.Type != nil && bare:
		err = wrong("the case %s has a value of the type %s", one.Label, brief(one.Type))
	case one.Type != nil:
		c.Value, err = r.value(one.Type)
		err = in("."+one.Label, err)
	}
	return c, err
}
