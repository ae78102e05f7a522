// Package signing holds everything that touches keys: nkeys of all kinds, the claims of invocations, the claims
// embedded in modules and provider archives, and the directory where seeds are kept.
//
// Other packages hold a KeyPair as an opaque value. It never shows its seed by accident: printing, logging and
// marshalling one gives the public key. Refusals are *lattice.Error values, each with its own code.
//
// The formats are those of wasmCloud 0.8x: compact JWTs with an Ed25519 signature (wascap revision 3), tokens in a
// custom section of a wasm module, and provider archives (.par).
//
//	account, err := signing.New(signing.KindAccount)
//	module, err := signing.New(signing.KindModule)
//	signed, err := signing.SignModule(wasm, account, module, signing.ActorClaims{
//		Name: "echo", Caps: []string{"wasmcloud:keyvalue"}})
//	claims, err := signing.ReadModule(signed, time.Now())
//
// A Verifier says which clusters are trusted and checks invocations. An Agreement seals those between hosts that know
// each other with a MAC, which costs less. All types are safe for concurrent use.
package signing
