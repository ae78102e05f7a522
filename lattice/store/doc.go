// Package store keeps the state of a lattice, its links and claims, in a JetStream key-value bucket that all hosts
// share.
//
// The bucket is that of the wasmbus dialect, so hosts and clients of other make read and write it, too. Values that can
// not be read are logged and left out; keys of unknown kinds are ignored.
//
//	s, err := store.Open(ctx, nc, "default", store.Config{})
//	err = s.PutLink(ctx, wire.LinkDefinition{
//		ActorID: m, ProviderID: v, ContractID: "wasmcloud:keyvalue", LinkName: "default"})
//	links, err := s.Links(ctx)
//
// A host watches with Watch and so has all of it in memory. Operators do not write here: they ask a host by package
// control, which checks what it is given and tells the provider. A Store is safe for concurrent use.
package store
