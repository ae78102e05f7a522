package natsconn

import (
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/lattice"
)

// domains are the JetStream domains of connections that have one: *nats.Conn to string.
var domains sync.Map

// JetStream returns JetStream as the configuration of a connection means it (Config.JSDomain). A connection that
// Connect has not made has no domain. Every part of weft that stores something asks here.
func JetStream(nc *nats.Conn, opts ...jetstream.JetStreamOpt) (js jetstream.JetStream, err error) {
	if domain, ok := domains.Load(nc); ok {
		js, err = jetstream.NewWithDomain(nc, domain.(string), opts...)
	} else {
		js, err = jetstream.New(nc, opts...)
	}
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "use JetStream", Err: err}
	}
	return js, nil
}
