// Package sweep deletes large payloads that no receiver takes.
package sweep

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/lattice"
)

// sweepInterval is how often a host looks for large payloads that no receiver will take. Hosts do so at different
// times.
const sweepInterval = time.Minute

// Sweeper cleans the store of large payloads from Start until Stop.
type Sweeper struct {
	conn     *nats.Conn
	lattice  lattice.Name
	log      *slog.Logger
	end      context.CancelFunc
	sweeping sync.WaitGroup
}

// New makes a Sweeper.
func New(conn *nats.Conn, l lattice.Name, log *slog.Logger) *Sweeper {
	return &Sweeper{conn: conn, lattice: l, log: log}
}

// Start begins to sweep.
func (s *Sweeper) Start(context.Context) error {
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	s.sweeping.Go(func() { s.sweep(ctx) })
	return nil
}

// Stop ends what Start began.
func (s *Sweeper) Stop(context.Context) error {
	s.end()
	s.sweeping.Wait()
	return nil
}

func (s *Sweeper) sweep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepInterval/2 + rand.N(sweepInterval)):
		}
		within, cancel := context.WithTimeout(ctx, sweepInterval/2)
		n, err := chunks.Sweep(within, s.conn, s.lattice, time.Now().Add(-chunks.SweepAge))
		cancel()
		switch {
		case err != nil && s.conn.IsConnected() && ctx.Err() == nil:
			s.log.Warn("store of large payloads not swept", lattice.LogErr, err)
		case n > 0:
			s.log.Info("large payloads deleted that nobody took", "number", n)
		}
	}
}
