// Package keyvalue is an actor's client of wasmcloud:keyvalue: strings, counters, lists and sets in whatever database
// the link names. The actor's claims need the capability wasmcloud:keyvalue.
//
// Every error is a *lattice.Error with the text of the host or the provider. A type that does not fit, such as
// Increment of a list, is one. Operations that change a counter, a list or a set are atomic in weft's providers.
//
//	store := keyvalue.Default() // or keyvalue.Open("sessions") for a link of that name
//	n, err := store.Increment("visits", 1)
//
// A Store is a plain value that is copied freely. As everything in an actor, it is for the one goroutine of a call.
package keyvalue
