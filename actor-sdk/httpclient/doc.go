// Package httpclient is an actor's client of wasmcloud:httpclient: HTTP requests to the hosts that its link allows. The
// actor's claims need the capability wasmcloud:httpclient.
//
//	resp, err := httpclient.Default().Get("https://api.example.com/v1/status")
//
// A request that gets no answer is an error whose text holds a Failure: why, by a name that FailureOf finds. An answer
// of any status is no error. A Client is a plain value that is copied freely. As everything in an actor, it is for the
// one goroutine of a call.
package httpclient
