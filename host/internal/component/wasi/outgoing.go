package wasi

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
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
func getter[T any](p func(T) *any) Func {
	return method(Little, func(_ *Call, o T, _ []any) (any, error) { return *p(o), nil })
}

func setter[T any](p func(T) *any) Func {
	return method(Little, func(_ *Call, o T, args []any) (any, error) {
		*p(o) = args[0]
		return good(nil), nil
	})
}

func requestMethod(r *outgoingRequest) *any    { return &r.method }
func requestScheme(r *outgoingRequest) *any    { return &r.scheme }
func requestPath(r *outgoingRequest) *any      { return &r.path }
func requestAuthority(r *outgoingRequest) *any { return &r.authority }
func optionConnect(o *requestOptions) *any     { return &o.connect }
func optionFirstByte(o *requestOptions) *any   { return &o.firstByte }
func optionBetween(o *requestOptions) *any     { return &o.betweenBytes }

var outgoingRequests = map[string]Func{
	"[constructor]outgoing-request": {Little, func(_ *Call, args []any) (any, error) {
		h := object[*fields](args[0])
		h.immutable = true
		return rep(&outgoingRequest{header: h, method: abi.Variant{}, scheme: none, path: none, authority: none}),
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
	"[method]outgoing-request.headers": method(Little, func(c *Call, r *outgoingRequest, _ []any) (any, error) {
		return rep(r.header.all.fields(c.State)), nil
	}),
	"[method]outgoing-request.body": method(Little, func(c *Call, r *outgoingRequest, _ []any) (any, error) {
		if r.body != nil {
			return bad(nil), nil
		}
		r.body = &outgoingBody{state: c.State, length: r.header.length()}
		return good(rep(r.body)), nil
	}),
	"[constructor]request-options": {Little, func(*Call, []any) (any, error) {
		return rep(&requestOptions{none, none, none}), nil
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
var outgoingHandler = map[string]Func{"handle": constant(bad(abi.Variant{Case: deniedCase}))}
