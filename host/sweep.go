package host

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
)

// sweepInterval is how often a host looks for large payloads that nobody will take. Hosts do so at different times.
const sweepInterval = time.Minute

// sweepLarge cleans the store of large payloads until the host stops.
func (h *Host) sweepLarge(opened func(func(context.Context) error)) {
	ctx, end := context.WithCancel(context.Background())
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(sweepInterval/2 + rand.N(sweepInterval)):
			}
			within, cancel := context.WithTimeout(ctx, sweepInterval/2)
			n, err := rpc.Sweep(within, h.rpc, h.cfg.Lattice, time.Now().Add(-rpc.SweepAge))
			cancel()
			switch {
			case err != nil && h.rpc.IsConnected() && ctx.Err() == nil:
				h.log.Warn("store of large payloads not swept", lattice.LogErr, err)
			case n > 0:
				h.log.Info("large payloads deleted that nobody took", "number", n)
			}
		}
	})
	opened(func(context.Context) error {
		end()
		sweeping.Wait()
		return nil
	})
}
