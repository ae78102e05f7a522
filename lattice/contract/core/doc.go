// Package core is the contract that every actor fulfils: it answers a health request.
//
// A host that asks an actor whether it can work:
//
//	payload := core.EncodeHealthRequest()    // the argument of core.HealthRequest
//	health, err := core.DecodeHealth(answer) // health.Healthy, health.Message
//
// Actors in Go need not touch it: actor.HandleHealth of package actor-sdk answers. Values are plain, and all functions
// are safe for concurrent use.
package core
