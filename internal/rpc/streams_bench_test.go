package rpc_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/stream"
)

// BenchmarkStreamsAtOnce takes answers of 16 MiB over NATS, eight at once. Both ends and the NATS server are in this
// process. An iteration is one round of eight. All frames of a process come on one subscription, so one goroutine
// checks their MACs, whatever the locks are.
func BenchmarkStreamsAtOnce(b *testing.B) {
	const atOnce, size = 8, 16 << 20
	piece := make([]byte, stream.Piece)
	p := newStreamPair(b, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		err := o.Respond(nil)
		for left := size; err == nil && left > 0; left -= len(piece) {
			err = o.Stream.Write(ctx, piece[:min(left, len(piece))])
		}
		return nil, errors.Join(err, o.Stream.End(ctx, nil))
	})
	b.SetBytes(atOnce * size)
	for b.Loop() {
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(func() {
				got := 0
				take := func(_ []byte, s *stream.Stream) error {
					for {
						piece, err := s.Next(b.Context(), stream.Piece)
						if got += len(piece); err == io.EOF {
							return nil
						} else if err != nil {
							return err
						}
					}
				}
				_, err := p.call(b.Context(), nil, time.Minute, &stream.Caller{Take: take})
				if err != nil || got != size {
					b.Errorf("%d bytes, %v", got, err)
				}
			})
		}
		wg.Wait()
	}
}
