package http

import (
	"fmt"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

const maxFields = 128 << 10 // bytes of the names and values of one fields resource

// Header is fields in their order. Names are as they came.
type Header []Field

// Field is one of a header.
type Field struct{ Name, Value string }

// fields is the resource of that name.
type fields struct {
	state     *face.State
	all       Header
	bytes     int // held of the state
	immutable bool
}

// Drop gives back what the fields hold.
func (f *fields) Drop() {
	f.state.Release(f.bytes)
	f.all, f.bytes = nil, 0
}

// Cases of header-error.
const (
	invalidSyntax = iota
	forbidden
	headerImmutable
)

func headerError(n uint32) abi.Variant { return face.Bad(abi.Variant{Case: n}) }

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
func (f *fields) put(add Header) (abi.Variant, bool) {
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

func (f *fields) remove(name string) {
	kept := make(Header, 0, len(f.all))
	for _, x := range f.all {
		if strings.EqualFold(x.Name, name) {
			f.bytes -= x.size()
			f.state.Release(x.size())
			continue
		}
		kept = append(kept, x)
	}
	f.all = kept
}

func (f *fields) values(name string) []any {
	values := []any{}
	for _, x := range f.all {
		if strings.EqualFold(x.Name, name) {
			values = append(values, []byte(x.Value))
		}
	}
	return values
}

// fields show a header that something else holds.
func (h Header) fields(s *face.State) *fields { return &fields{state: s, all: h, immutable: true} }

// changing makes a face.Func that changes fields.
func changing(f func(h *fields, args []any) abi.Variant) face.Func {
	return face.Method(face.Little, func(c *face.Call, h *fields, args []any) (any, error) {
		if h.immutable {
			return headerError(headerImmutable), nil
		}
		return f(h, args), nil
	})
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v.(string)
}

func named(name any, values any) Header {
	var h Header
	for _, v := range values.([]any) {
		h = append(h, Field{name.(string), text(v)})
	}
	return h
}

// length is content-length; negative: face.None.
func (f *fields) length() int64 {
	for _, x := range f.all {
		if strings.EqualFold(x.Name, "content-length") {
			var n int64
			if _, err := fmt.Sscanf(x.Value, "%d", &n); err == nil && n >= 0 {
				return n
			}
		}
	}
	return -1
}

var fieldsResource = map[string]face.Func{
	"[constructor]fields": {Call: func(c *face.Call, _ []any) (any, error) {
		return face.Rep(&fields{state: c.State}), nil
	}},
	"[static]fields.from-list": {Call: func(c *face.Call, args []any) (any, error) {
		f := &fields{state: c.State}
		for _, e := range args[0].([]any) {
			pair := e.([]any)
			if v, ok := f.put(Header{{pair[0].(string), text(pair[1])}}); !ok {
				f.Drop()
				return v, nil
			}
		}
		return face.Good(face.Rep(f)), nil
	}},
	"[method]fields.get": face.Method(face.Little, func(_ *face.Call, f *fields, args []any) (any,
		error) {
		return f.values(args[0].(string)), nil
	}),
	"[method]fields.has": face.Method(face.Little, func(_ *face.Call, f *fields, args []any) (any, error) {
		return len(f.values(args[0].(string))) > 0, nil
	}),
	"[method]fields.set": changing(func(f *fields, args []any) abi.Variant {
		// The new values are judged first, so that a set that fails changes nothing.
		next := &fields{state: f.state}
		v, ok := next.put(named(args[0], args[1]))
		if !ok {
			return v
		}
		f.remove(args[0].(string))
		f.all, f.bytes = append(f.all, next.all...), f.bytes+next.bytes
		return v
	}),
	"[method]fields.delete": changing(func(f *fields, args []any) abi.Variant {
		name := args[0].(string)
		if n := check(name, ""); n >= 0 {
			return headerError(uint32(n))
		}
		f.remove(name)
		return face.Good(nil)
	}),
	"[method]fields.append": changing(func(f *fields, args []any) abi.Variant {
		v, _ := f.put(Header{{args[0].(string), text(args[1])}})
		return v
	}),
	"[method]fields.entries": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		c.Pay(f.bytes)
		all := make([]any, len(f.all))
		for i, x := range f.all {
			all[i] = []any{x.Name, []byte(x.Value)}
		}
		return all, nil
	}),
	"[method]fields.clone": face.Method(face.Little, func(c *face.Call, f *fields, _ []any) (any, error) {
		size := 0
		for _, x := range f.all {
			size += x.size()
		}
		c.Pay(size)
		if !c.State.Hold(size) {
			return nil, abi.Trap("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20)
		}
		return face.Rep(&fields{state: c.State, all: append(Header(nil), f.all...), bytes: size}), nil
	}),
}
