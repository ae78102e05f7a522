// Package providertest holds the contract that every provider passes, and the stand-in for a host that drives a
// provider through nothing but NATS and standard input, for the tests of one.
//
// Leaks of goroutines are left to the TestMain of the caller.
//
//	var config = providertest.Config{Info: info, New: newGreeter,
//		Operation: "Greeter.Greet", Payload: msgpack.EncodeStr("Ada")}
//
//	func TestContract(t *testing.T) { providertest.Run(t, config) }
//
//	func TestGreets(t *testing.T) {
//		p := providertest.Start(t, providertest.NewLattice(t), config)
//		actor := p.Lattice.ActorID(t)
//		p.PutLink(actor, map[string]string{"greeting": "Good evening"})
//		got, err := p.Call(t.Context(), actor, "Greeter.Greet", msgpack.EncodeStr("Ada"))
//	}
//
// Everything runs in the test process, with a NATS server of its own; Config.Command starts the real binary instead. No
// wait is longer than Patience. A Process is for the test's goroutine, except for Call.
package providertest
