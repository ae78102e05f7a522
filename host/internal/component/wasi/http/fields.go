package http

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/internal/httpfield"
)

const maxFields = 128 << 10 // bytes of the names and values of one fields resource

// Header is fields in their order. Names are as they came.
type Header []Field

// Field is one of a header.
type Field struct{ Name, Value string }

// HeaderOf is a header that has come by a map, in the order of its names.
func HeaderOf(m map[string][]string) Header {
	h := make(Header, 0, len(m))
	for name, value := range httpfield.All(m) {
		h = append(h, Field{name, value})
	}
	return h
}

// Fold adds a header to a map. Names that differ in case alone are one, spelled as the first of them, so that its
// values keep their order.
func (h Header) Fold(into map[string][]string) {
	var first map[string]string // spelling of each name, by the name in lower case; nil while all names are in it
	for i, f := range h {
		name := strings.ToLower(f.Name)
		if first == nil && name != f.Name {
			first = make(map[string]string, len(h))
			for _, before := range h[:i] {
				first[before.Name] = before.Name
			}
		}
		if first != nil {
			spelled, ok := first[name]
			if !ok {
				spelled = f.Name
				first[name] = spelled
			}
			name = spelled
		}
		into[name] = append(into[name], f.Value)
	}
}

// fields is the resource of that name.
type fields struct {
	state     *face.State
	all       Header
	bytes     int // held of the state
	immutable bool
	of        *Header // what is shown, of an object that the guest has; nil: all
}

// header is what the fields are. Those of an object that is dropped are none.
func (f *fields) header() Header {
	if f.of != nil {
		return *f.of
	}
	return f.all
}

// Drop gives back what the fields hold.
func (f *fields) Drop() {
	if f.of == nil {
		f.state.Release(f.bytes)
		f.all, f.bytes = nil, 0
	}
}

// Cases of header-error.
const (
	invalidSyntax = iota
	forbidden
	headerImmutable
)

func headerError(n uint32) any { return face.Bad(abi.Case(n)) }

// forbiddenNames are fields that belong to a connection, and not to the guest.
var forbiddenNames = map[string]bool{"connection": true, "keep-alive": true, "proxy-authenticate": true,
	"proxy-authorization": true,
	"proxy-connection":    true, "transfer-encoding": true, "upgrade": true, "host": true, "http2-settings": true,
	"te": true}

// check says what is wrong with a field; negative: nothing.
func check(name, value string) int {
	switch {
	case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
		return invalidSyntax
	case forbiddenNames[strings.ToLower(name)]:
		return forbidden
	}
	return -1
}

// put appends fields, all or none.
func (f *fields) put(add Header) (any, bool) {
	size := 0
	for _, a := range add {
		if n := check(a.Name, a.Value); n >= 0 {
			return headerError(uint32(n)), false
		}
		size += a.size()
	}
	if f.bytes+size > maxFields || !f.state.Hold(size) {
		return headerError(forbidden), false // there is no case for too much of it
	}
	f.all, f.bytes = append(f.all, add...), f.bytes+size
	return face.Good(nil), true
}

// fieldCost is what a field takes besides its name and value.
const fieldCost = 32

func (f Field) size() int { return len(f.Name) + len(f.Value) + fieldCost }

// size is what a header takes.
func (h Header) size() (bytes int) {
	for _, f := range h {
		bytes += f.size()
	}
	return bytes
}

// hold makes fields of a header that nothing else holds.
func hold(c *face.Call, h Header) (*fields, error) {
	size := h.size()
	c.Pay(size)
	if !c.State.Hold(size) {
		return nil, abi.Trap("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20)
	}
	return &fields{state: c.State, all: h, bytes: size}, nil
}

// given are fields that a guest has given away: they do not change any more. Of a view they are a copy.
func given(c *face.Call, arg any) (*fields, error) {
	f := face.Object[*fields](arg)
	if f.of != nil {
		var err error
		if f, err = hold(c, slices.Clone(f.header())); err != nil {
			return nil, err
		}
	}
	f.immutable = true
	return f, nil
}

// without are the fields of other names, and their bytes.
func (f *fields) without(name string) (kept Header, bytes int) {
	kept = make(Header, 0, len(f.all))
	for _, x := range f.all {
		if !strings.EqualFold(x.Name, name) {
			kept, bytes = append(kept, x), bytes+x.size()
		}
	}
	return kept, bytes
}

// view shows the header of an object as long as that is there: nobody holds it for the view.
func view(of *Header) any { return face.Rep(&fields{immutable: true, of: of}) }

// changing makes a face.Func that changes fields.
func changing(f func(c *face.Call, h *fields, args []any) any) face.Func {
	return face.Method(face.Little, func(c *face.Call, h *fields, args []any) (any, error) {
		if h.immutable {
			return headerError(headerImmutable), nil
		}
		return f(c, h, args), nil
	})
}

func named(name string, values []any) (h Header) {
	for _, v := range values {
		h = append(h, Field{name, string(v.([]byte))})
	}
	return h
}

// length is content-length; negative: there is none. ok is false where it is no length, or there are several.
func (h Header) length() (n int64, ok bool) {
	n = -1
	for _, x := range h {
		if strings.EqualFold(x.Name, "content-length") {
			v, err := strconv.ParseUint(x.Value, 10, 63)
			if err != nil || n >= 0 && n != int64(v) {
				return -1, false
			}
			n = int64(v)
		}
	}
	return n, true
}

var fieldsResource = map[string]face.Func{
	"[constructor]fields": {Call: func(c *face.Call, _ []any) (any, error) {
		return face.Rep(&fields{state: c.State}), nil
	}},
	"[static]fields.from-list": {Call: func(c *face.Call, args []any) (any, error) {
		f := &fields{state: c.State}
		for _, e := range args[0].([]any) {
			pair := e.([]any)
			if v, ok := f.put(Header{{pair[0].(string), string(pair[1].([]byte))}}); !ok {
				f.Drop()
				return v, nil
			}
		}
		return face.Good(face.Rep(f)), nil
	}},
	"[method]fields.get": face.Lent(face.Method(face.Little, func(c *face.Call, f *fields, args []any) (any, error) {
		h, values := f.header(), []any{}
		c.Pay(h.size())
		for _, x := range h {
			if strings.EqualFold(x.Name, args[0].(string)) {
				values = append(values, []byte(x.Value))
			}
		}
		return values, nil
	})),
	"[method]fields.has": face.Lent(face.Method(face.Little, func(c *face.Call, f *fields, args []any) (any, error) {
		h := f.header()
		c.Pay(h.size())
		return slices.ContainsFunc(h, func(x Field) bool { return strings.EqualFold(x.Name, args[0].(string)) }), nil
	})),
	"[method]fields.set": changing(func(c *face.Call, f *fields, args []any) any {
		// The new values are judged first, so that a set that fails changes nothing.
		name, next := args[0].(string), &fields{state: f.state}
		if n := check(name, ""); n >= 0 {
			return headerError(uint32(n))
		}
		v, ok := next.put(named(name, args[1].([]any)))
		if !ok {
			return v
		}
		c.Pay(f.bytes)
		kept, bytes := f.without(name)
		if bytes+next.bytes > maxFields {
			next.Drop()
			return headerError(forbidden)
		}
		f.state.Release(f.bytes - bytes)
		f.all, f.bytes = append(kept, next.all...), bytes+next.bytes
		return v
	}),
	"[method]fields.delete": changing(func(c *face.Call, f *fields, args []any) any {
		name := args[0].(string)
		if n := check(name, ""); n >= 0 {
			return headerError(uint32(n))
		}
		c.Pay(f.bytes)
		kept, bytes := f.without(name)
		f.state.Release(f.bytes - bytes)
		f.all, f.bytes = kept, bytes
		return face.Good(nil)
	}),
	"[method]fields.append": face.Lent(changing(func(_ *face.Call, f *fields, args []any) any {
		v, _ := f.put(Header{{strings.Clone(args[0].(string)), string(args[1].([]byte))}})
		return v
	})),
	"[method]fields.entries": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		h := f.header()
		c.Pay(h.size())
		all := make([]any, len(h))
		for i, x := range h {
			all[i] = []any{x.Name, []byte(x.Value)}
		}
		return all, nil
	}),
	"[method]fields.clone": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		clone, err := hold(c, slices.Clone(f.header()))
		if err != nil {
			return nil, err
		}
		return face.Rep(clone), nil
	}),
}
