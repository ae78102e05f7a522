// Package lattice holds the words that every part of weft shares: identities, error codes, labels and log keys.
//
// A lattice is a flat namespace over NATS. Hosts (N keys) run actors (M keys); capability providers (V keys) are
// separate processes. They exchange signed invocations on subjects that package subject builds; a cluster key
// (C keys) signs them. The dialect on the wire is the "wasmbus" dialect of wasmCloud 0.8x.
//
// The package depends on the standard library only and compiles into guests, with stock Go and with TinyGo.
package lattice
