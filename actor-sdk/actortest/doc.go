// Package actortest runs the handlers of an actor natively, in a plain go test, against a host made for tests:
// key-value stores in memory, other actors and providers as functions, logs captured, numbers and time under control.
//
//	func TestHello(t *testing.T) {
//		h := actortest.New(t)
//		if got := h.Get("/hello/ada"); got.Text() != "hello ada" {
//			t.Errorf("got %q", got.Text())
//		}
//	}
//
// The test lies in the actor's own package, so that its init has registered the handlers. Grants are not checked: every
// contract that the host knows is linked.
package actortest
