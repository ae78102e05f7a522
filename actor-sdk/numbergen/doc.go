// Package numbergen asks an actor's host for random numbers and ids. The actor's claims need the capability
// wasmcloud:builtin:numbergen. Every error is a *lattice.Error.
//
//	id, err := numbergen.GUID()          // a random UUID, version 4
//	n, err := numbergen.InRange(1, 6)    // both ends count
//
// An instance that was restored from a snapshot must not draw from a generator of its own, whose state many instances
// would share. The host's numbers differ for each call.
package numbergen
