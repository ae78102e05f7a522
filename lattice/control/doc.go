// Package control is the control interface of a lattice: its JSON types, and the client that sends requests.
//
// A reply means accepted; that something has happened is told by an event (package event). Decoding is tolerant where
// the clients and hosts of the last years differ (several spellings of one field, null, numbers as floats) and strict
// where a misunderstanding would do harm: identities, link names and counts are checked, and a refusal names the field.
//
//	client := control.NewClient(nc, subject.Control{Lattice: "default"}, 0)
//	hosts, err := client.PingHosts(ctx)
//	err = client.ScaleActor(ctx, control.ScaleActorRequest{
//		HostID: hosts[0].ID, ActorRef: "lattice://echo:1.0", MaxInstances: 10})
//
// A Client is safe for concurrent use. A request without a deadline ends after DefaultTimeout.
package control
