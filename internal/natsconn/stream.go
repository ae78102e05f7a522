package natsconn

import (
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// FromStream reports whether JetStream has sent a message: a delivery, a stored message that was asked for, a copy.
// NATS does not check whether a client may publish to the subject to which it tells JetStream to send something. So
// what hosts and other roles say to each other is not believed when JetStream has sent it.
func FromStream(m *nats.Msg) bool {
	return strings.HasPrefix(m.Reply, "$JS.") || m.Header.Get(jetstream.StreamHeader) != ""
}
