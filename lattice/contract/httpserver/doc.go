// Package httpserver is the contract wasmcloud:httpserver: a provider turns HTTP requests into invocations of an actor.
//
// A provider that turns a request into a call, and the answer into a response:
//
//	req := &httpserver.Request{Method: "GET", Path: "/hello", Header: httpserver.Header{}}
//	answer, err := call(httpserver.HandleRequest, req.Encode())
//	resp, err := httpserver.DecodeResponse(answer) // resp.StatusCode, resp.Header, resp.Body
//
// View reads a request without copying what nobody looks at; ResponseHead reads a response whose body is still on its
// way. Actors in Go use package actor-sdk instead. Values are not safe for concurrent changes. Errors are
// lattice.ErrInvalid.
package httpserver
