package host

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/natsconn"
)

// natsRPC is the purpose of the connection that carries calls.
const natsRPC = "rpc"

// connections are those of a host to NATS.
type connections struct {
	ctl, rpc *nats.Conn // for control and events; for calls
	config   func(purpose string) natsconn.Config
}

// connection returns how the host connects; purpose tells its connections apart.
func (c *Config) connection(name string, log *slog.Logger) func(purpose string) natsconn.Config {
	return func(purpose string) natsconn.Config {
		cfg := c.NATS.config()
		cfg.Name = "weft " + name + " " + purpose
		cfg.Logger, cfg.JSDomain = log, c.JSDomain
		if purpose == natsRPC {
			cfg.ReconnectBufferBytes = natsconn.NoBuffer
		}
		return cfg
	}
}

// open makes two connections: large payloads and many calls on one must not hold up control and events on the other.
func (c *connections) open(ctx context.Context) (err error) {
	if c.ctl, err = natsconn.Connect(ctx, c.config("ctl")); err != nil {
		return err
	}
	c.rpc, err = natsconn.Connect(ctx, c.config(natsRPC))
	return err
}

// close ends the one for calls first; what it still says goes over the other.
func (c *connections) close(ctx context.Context) (err error) {
	for _, conn := range []*nats.Conn{c.rpc, c.ctl} {
		if conn != nil {
			err = errors.Join(err, natsconn.Close(ctx, conn))
		}
	}
	return err
}

// away reports whether this host knows that it has no connection for calls.
func (c *connections) away() bool { return !c.rpc.IsConnected() }

// returnPause is how long the providers have to come back, too, before they are looked after.
const returnPause = 2 * time.Second

// returns does what there is to do when a connection to NATS is back.
type returns struct {
	conn    *nats.Conn
	back    func()                    // is called at once
	settled func(ctx context.Context) // is called a moment later

	status    chan nats.Status
	end       context.CancelFunc
	following sync.WaitGroup
}

// start follows the state of a connection. A return is told at once, and again after returnPause, when others are back,
// too.
func (r *returns) start(context.Context) error {
	ctx, end := context.WithCancel(context.Background())
	r.status, r.end = r.conn.StatusChanged(nats.CONNECTED), end
	r.following.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.status:
				r.back()
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(returnPause):
			}
			r.settled(ctx)
		}
	})
	return nil
}

func (r *returns) stop(context.Context) error {
	r.end()
	r.following.Wait()
	r.conn.RemoveStatusListener(r.status)
	return nil
}
