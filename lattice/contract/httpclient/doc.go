// Package httpclient is the contract wasmcloud:httpclient: an actor has a provider make an HTTP request.
//
//	req := &httpclient.Request{Method: "GET", URL: "https://api.example.com/v1", Header: httpclient.Header{}}
//	answer, err := call(httpclient.Send, req.Encode())
//	resp, err := httpclient.DecodeResponse(answer) // resp.StatusCode, resp.Header, resp.Body
//
// A request that gets no answer is an error whose text holds a Failure: a word of WASI's error-code, which ParseFailure
// reads, and a text for people. Values are not safe for concurrent changes. Errors of decoding are lattice.ErrInvalid.
package httpclient
