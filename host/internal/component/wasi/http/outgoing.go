package http

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// outgoingRequest is what a guest makes before it asks for it to be sent.
type outgoingRequest struct {
	header                          *fields
	method, scheme, path, authority any // as the guest gave them
	body                            *outgoingBody
}

// Drop gives back what the request holds.
func (r *outgoingRequest) Drop() { r.header.Drop() }

type requestOptions struct{ connect, firstByte, betweenBytes any }

// getter and setter make the two methods of a property.
func getter[T any](p func(T) *any) face.Func {
	return face.Method(face.Little, func(_ *face.Call, o T, _ []any) (any, error) { return *p(o), nil })
}

func setter[T any](p func(T) *any) face.Func {
	return face.Method(face.Little, func(_ *face.Call, o T, args []any) (any, error) {
		*p(o) = args[0]
		return face.Good(nil), nil
	})
}

func requestMethod(r *outgoingRequest) *any    { return &r.method }
func requestScheme(r *outgoingRequest) *any    { return &r.scheme }
func requestPath(r *outgoingRequest) *any      { return &r.path }
func requestAuthority(r *outgoingRequest) *any { return &r.authority }
func optionConnect(o *requestOptions) *any     { return &o.connect }
func optionFirstByte(o *requestOptions) *any   { return &o.firstByte }
func optionBetween(o *requestOptions) *any     { return &o.betweenBytes }

var outgoingRequests = map[string]face.Func{
	"[constructor]outgoing-request": {Call: func(_ *face.Call, args []any) (any, error) {
		h := face.Object[*fields](args[0])
		h.immutable = true
		return face.Rep(&outgoingRequest{header: h, method: abi.Variant{}, scheme: face.None, path: face.None,
				authority: face.None}),
			nil
	}},
	"[method]outgoing-request.method":              getter(requestMethod),
	"[method]outgoing-request.set-method":          setter(requestMethod),
	"[method]outgoing-request.scheme":              getter(requestScheme),
	"[method]outgoing-request.set-scheme":          setter(requestScheme),
	"[method]outgoing-request.path-with-query":     getter(requestPath),
	"[method]outgoing-request.set-path-with-query": setter(requestPath),
	"[method]outgoing-request.authority":           getter(requestAuthority),
	"[method]outgoing-request.set-authority":       setter(requestAuthority),
	"[method]outgoing-request.headers": face.Method(face.Little, func(c *face.Call, r *outgoingRequest, _ []any) (any,
		error) {
		return face.Rep(r.header.all.fields(c.State)), nil
	}),
	"[method]outgoing-request.body": face.Method(face.Little, func(c *face.Call, r *outgoingRequest, _ []any) (any,
		error) {
		if r.body != nil {
			return face.Bad(nil), nil
		}
		r.body = &outgoingBody{state: c.State, length: r.header.length()}
		return face.Good(face.Rep(r.body)), nil
	}),
	"[constructor]request-options": {Call: func(*face.Call, []any) (any, error) {
		return face.Rep(&requestOptions{face.None, face.None, face.None}), nil
	}},
	"[method]request-options.connect-timeout":           getter(optionConnect),
	"[method]request-options.set-connect-timeout":       setter(optionConnect),
	"[method]request-options.first-byte-timeout":        getter(optionFirstByte),
	"[method]request-options.set-first-byte-timeout":    setter(optionFirstByte),
	"[method]request-options.between-bytes-timeout":     getter(optionBetween),
	"[method]request-options.set-between-bytes-timeout": setter(optionBetween),
}

// deniedCase is HTTP-request-denied of error-code.
const deniedCase = 15

// outgoingHandler refuses every request: no provider carries them yet.
var outgoingHandler = map[string]face.Func{"handle": face.Constant(face.Bad(abi.Variant{Case: deniedCase}))}
