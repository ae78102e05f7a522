// Package subject builds and parses every NATS subject, queue group and bucket name of a lattice, side by side, so that
// no other package spells one. Subjects follow the wasmbus dialect; those marked "weft" are additions that other
// software ignores. All functions are pure and safe for concurrent use. Arguments come from the parsers of package
// lattice, so that they are single tokens.
//
// A caller of an actor sends to one subject; an observer takes one apart:
//
//	subject.Actor("default", id)              // wasmbus.rpc.default.M...
//	r, err := subject.ParseRPC(msg.Subject)   // r.Actor, r.Provider, r.Link, r.Verb
//
// Control builds those of the control interface, and the Grant functions say what NATS has to allow a host, a provider
// and an operator.
package subject
