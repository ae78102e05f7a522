// Package keyvalue is the contract wasmcloud:keyvalue: strings, counters, lists and sets under keys.
//
// Arguments and results that are simple types travel bare: package msgpack encodes those.
//
// The constants are the operations. Each argument that is a struct has Encode and a Decode function:
//
//	payload := keyvalue.IncrementRequest{Key: "visits", Value: 1}.Encode()
//	answer, err := call(keyvalue.Increment, payload)
//	n, err := msgpack.DecodeInt32(answer)
//
// Actors in Go use actor-sdk/keyvalue instead. Values are plain, and all functions are safe for concurrent use. Errors
// are lattice.ErrInvalid.
package keyvalue
