// Package http1 serves the HTTP/1.1 requests that nearly all are - whole, small and without anything unusual - at a
// fraction of what net/http takes for them, and leaves all others to net/http.
//
// What counts as plain is a strict subset: one host, at most one length of digits, no transfer encoding, no
// expectation, no upgrade, a path and a version that need no interpretation. A connection on which anything else shows,
// or nothing more for a while within a request, goes to a net/http server with all bytes that were read, and stays
// there. So nothing that is ambiguous, slow, large or malformed is judged here, and net/http's strictness is that of
// the whole. FuzzPlain holds the two together: what is plain, net/http reads as the same request.
//
// What it saves: a goroutine that waits for the client to go away, deadlines set anew for each request (that for the
// next one is moved now and then instead, and is kept to an eighth; a client that takes its answer at once needs none),
// a map of headers each way, and a write for each answer of a pipeline. That a client has broken off is noticed by
// looking at the sockets of requests that take long.
package http1
