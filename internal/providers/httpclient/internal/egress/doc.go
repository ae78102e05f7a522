// Package egress judges what may leave: a request by its method and URL (Rules.Judge), and then, when a connection is
// made, the address itself (Rules.Connect). The two are independent: a name that is allowed leads nowhere when its
// address is not, and an address that is allowed cannot be named when no rule has it.
//
// Judge returns the URL in the one spelling that it has judged, which is what must be connected to. Connect is for
// net.Dialer.ControlContext, which gets the very address that the system will connect to: what a name resolves to a
// second time does not matter.
//
// Both deny what they do not know. Errors are of the contract (httpclient.Failure) and name the link value that would
// allow it. Rules are not changed once made, and are safe for concurrent use.
package egress
