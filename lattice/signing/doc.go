// Package signing holds everything that touches keys: nkeys of all kinds, the claims of invocations, the claims
// embedded in modules and provider archives, and the directory where seeds are kept.
//
// Other packages hold a KeyPair as an opaque value. It never shows its seed by accident: printing, logging and
// marshalling one gives the public key. Refusals are *lattice.Error values, each with its own code.
//
// The formats are those of wasmCloud 0.8x: compact JWTs with an Ed25519 signature (wascap revision 3), tokens in a
// custom section of a wasm module, and provider archives (.par).
package signing
