// Package event holds the events of a lattice: CloudEvents 1.0 in JSON, their typed data, and a subscription. Hosts
// publish them.
//
// Events are fire and forget: an observer that must not miss one also reads inventories.
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
// One goroutine at a time reads a Subscription. A reader that is too slow loses events and is told so.
package event
