// Package event holds the events of a lattice: CloudEvents 1.0 in JSON, their typed data, a publisher and a
// subscription.
//
// A change to a host returns its events (ActorTransition and its siblings are pure functions); nobody puts one together
// by hand where it is published. Events are fire and forget: an observer that must not miss one also reads inventories.
//
// An observer subscribes and reads one after another:
//
//	sub, err := event.Subscribe(ctx, nc, "default", event.NameActorScaled)
//	defer sub.Close()
//	for {
//		e, err := sub.Next(ctx)
//		data, err := e.Decode() // event.ActorScaled, a value
//	}
//
// A Publisher is safe for concurrent use; one goroutine at a time reads a Subscription. A reader that is too slow loses
// events and is told so.
package event
