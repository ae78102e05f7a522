// Package lattice holds the words that every part of weft shares: identities, error codes, labels and log keys.
//
// A lattice is a flat namespace over NATS. Hosts (N keys) run actors (M keys); capability providers (V keys) are
// separate processes. They exchange signed invocations on subjects that package subject builds; a cluster key (C keys)
// signs them. The dialect on the wire is the "wasmbus" dialect of wasmCloud 0.8x.
//
// The package depends on the standard library only and compiles into guests, with stock Go and with TinyGo.
//
//	id, err := lattice.ParseActorID(text)
//	if errors.Is(err, lattice.ErrInvalid) { ... }
//
// Errors are *Error values with a Code. A Code is an error itself, so that errors.Is finds it on both ends of a call.
// Values are plain, and all functions are safe for concurrent use.
package lattice
