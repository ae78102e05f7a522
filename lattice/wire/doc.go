// Package wire holds the messages of the invocation journey and their encoding: invocation, response, link definition,
// health, host data. Encoding is msgpack with named fields; decoding ignores unknown keys and treats absent ones as
// zero. Size policy lives here too. The shapes follow the wasmbus dialect; golden bytes in testdata hold them still:
// changing one is a protocol change.
//
// Each message is a plain struct with Encode and a Decode function of the same name:
//
//	inv := &wire.Invocation{Origin: wire.ActorEntity(from), Target: wire.ActorEntity(to),
//		Operation: "Pingpong.Ping", ID: id}
//	b := inv.Encode()
//	inv, err := wire.DecodeInvocation(b)
//
// Errors are lattice.ErrInvalid and name the byte. Lengths that the bytes do not hold cost no memory. What is above
// MaxInlineBytes does not travel in a message but in the lattice's object store. Structs are not safe for concurrent
// changes; all functions are.
package wire
