package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// How often a NATS server that is not up yet is tried, and how often that is told.
const (
	natsTry  = time.Second
	natsTell = 5 * time.Second
)

// awaitNATS waits until a NATS server takes the connection, at most so long. Only absence is waited for: a server that
// refuses would do so again.
func awaitNATS(ctx context.Context, conn natsconn.Config, within time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start, told := time.Now(), time.Time{}
	for {
		nc, err := natsconn.Connect(ctx, conn)
		if err == nil {
			nc.Close()
			return nil
		}
		left := time.Until(start.Add(within))
		if lattice.CodeOf(err) != lattice.ErrUnavailable || left <= natsTry {
			if left <= natsTry && !errors.Is(err, lattice.ErrDenied) {
				err = fmt.Errorf("no NATS server within %s (--nats-wait): %w", within, err)
			}
			return err
		}
		if time.Since(told) >= natsTell {
			told = time.Now()
			log.Warn("waiting for NATS", "server", natsconn.SafeURL(conn.URL), "left", left.Round(time.Second),
				lattice.LogErr, err)
		}
		select {
		case <-time.After(natsTry):
		case <-ctx.Done():
		}
	}
}
