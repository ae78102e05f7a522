package natsconn

import (
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// FromStream reports whether JetStream has sent a message: a delivery, a stored message that was asked for, a copy.
// NATS does not ask who may publish where JetStream is told to send something, so that what hosts and other roles say
// to each other is not believed when it comes so.
func FromStream(m *nats.Msg) bool {
	return strings.HasPrefix(m.Reply, "$JS.") || m.Header.Get(jetstream.StreamHeader) != ""
}
