package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/natsconn"
)

// How long Reconnect waits.
const (
	// reconnectTimeout bounds the wait for calls in progress on the old connection, and then that for the server.
	reconnectTimeout = time.Minute
	// holdTimeout bounds how long calls are held back for those in progress.
	holdTimeout = time.Second
)

// Reconnect gives a connection new credentials, which cfg finds when it connects, without losing a call of the client
// or to the server that use it. Meanwhile both use a second connection: it is there before the first one is left, so
// that credentials that are not accepted change nothing and are the error. With hold, calls to the server wait for the
// moment in which nc is away, up to a second longer for those in progress: for handlers that themselves use nc.
func Reconnect(ctx context.Context, nc *nats.Conn, cfg natsconn.Config, client *Client, server *Server,
	hold bool) (err error) {
	bridge, err := natsconn.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	// From here on nothing is given up half way: with the caller gone, the calls are still somewhere.
	ctx = context.WithoutCancel(ctx)
	within := func(limit time.Duration, do func(context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return do(ctx)
	}
	defer func() {
		err = errors.Join(err, within(reconnectTimeout, func(ctx context.Context) error {
			return natsconn.Close(ctx,
				bridge)
		}))
	}()
	if err := server.Move(ctx, bridge); err != nil {
		return err
	}
	move := func(to *nats.Conn) { // calls that take longer than the timeout have had their chance
		_ = within(reconnectTimeout, func(ctx context.Context) error { return client.Move(ctx, to) })
	}
	move(bridge)
	again := func() error {
		return within(reconnectTimeout, func(ctx context.Context) error { return natsconn.Reconnect(ctx, nc) })
	}
	if hold {
		err = within(holdTimeout, func(ctx context.Context) error { return server.Hold(ctx, again) })
	} else {
		err = again()
	}
	err = errors.Join(err, server.Move(ctx, nc))
	move(nc)
	return err
}
