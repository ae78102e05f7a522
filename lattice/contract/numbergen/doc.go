// Package numbergen is the builtin contract wasmcloud:builtin:numbergen: the host makes random numbers and ids.
//
// GenerateGUID and Random32 have no argument; RandomInRange has a Range:
//
//	payload := numbergen.Range{Min: 1, Max: 6}.Encode()
//	answer, err := call(numbergen.RandomInRange, payload)
//	n, err := msgpack.DecodeUint32(answer)
//
// Actors in Go use actor-sdk/numbergen instead. Values are plain, and all functions are safe for concurrent use. Errors
// are lattice.ErrInvalid.
package numbergen
