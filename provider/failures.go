package provider

import (
	"context"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// Failures that the host is told of: a burst, then so many each second. What is beyond is counted.
const (
	tellBurst     = 500
	tellPerSecond = 100
	tellBacklog   = 512
)

// Failed is a request that a provider could not answer as its client wanted, because of an actor or on the way to it.
type Failed struct {
	Actor     lattice.ActorID
	Operation string
	Status    int // that the client got; 0: not HTTP
	Err       error
}

// teller tells the host of failures. The host remembers them for operators who ask why a call failed. A teller never
// waits for the host: what cannot be sent at once is counted and left out. It is safe for concurrent use.
type teller struct {
	limit   *rate.Limiter
	queue   chan wire.Failure
	leftOut atomic.Uint64
	end     context.CancelFunc
	wg      sync.WaitGroup
}

func newTeller() *teller {
	return &teller{limit: rate.NewLimiter(tellPerSecond, tellBurst), queue: make(chan wire.Failure, tellBacklog),
		end: func() {}}
}

// start begins to tell over an uplink; without one no host is told.
func (t *teller) start(up *uplink) {
	if up == nil {
		return
	}
	ctx, end := context.WithCancel(context.Background())
	t.end = end
	t.wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case f := <-t.queue:
				if up.group.Notify(ctx, channel.EncodeFailure(f)) != nil {
					t.leftOut.Add(1 + f.LeftOut)
				}
			}
		}
	})
}

func (t *teller) close() {
	t.end()
	t.wg.Wait()
}

// tell takes a failure. The trace of ctx is that of the request.
func (t *teller) tell(ctx context.Context, failed Failed) {
	if !t.limit.Allow() {
		t.leftOut.Add(1)
		return
	}
	f := wire.NewFailure(failed.Err)
	f.ActorID, f.Operation, f.Status = failed.Actor, failed.Operation, failed.Status
	if tc, ok := trace.From(ctx); ok {
		f.TraceID = hex.EncodeToString(tc.TraceID[:])
	}
	f.LeftOut = t.leftOut.Swap(0)
	select {
	case t.queue <- f:
	default:
		t.leftOut.Add(1 + f.LeftOut)
	}
}
