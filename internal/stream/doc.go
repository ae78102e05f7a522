// Package stream has the bodies that travel beside a call: what the caller sends while it is served, and what comes
// back after the answer has begun. An answer that is a stream begins with the payload of a plain answer, its head; the
// call lasts until the one who serves it is done.
//
// A Stream is one end. Each direction has bytes, then a clean end with trailers; or it breaks, so that nobody takes
// what has come for all. An end writes only what the other end has room for: at most Window bytes of a direction are on
// their way or wait for their reader, however large the body is. So a reader that is slow holds the writer back,
// through any number of hops.
//
// Three ways carry the frames of a stream: a Pipe within one process, the connection between two processes of one
// machine (package channel), and NATS (package rpc). Each hands the frames of one end to Receive of the other one, once
// and in their order. TestAllWays in the packages that carry streams holds them to one contract (package streamtest).
//
// The caller offers a stream with its call: see Offer. The one who serves the call finds the offer in its context and
// accepts it with Offer.Respond, or ignores it and returns a plain answer.
package stream
