package channel_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/internal/stream/streamtest"
	"github.com/weftlattice/weft/lattice/wire"
)

func streamConfig(t *testing.T, h streamtest.Handler, inline bool) channel.Config {
	return channel.Config{Logger: latticetest.Logger(t), Inline: inline, Streams: new(stream.Meter),
		Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte, error) { return h(ctx, inv.Msg) }}
}

type way interface {
	Call(ctx context.Context, call *channel.Call, timeout time.Duration) ([]byte, error)
}

func streamCaller(w way) streamtest.Caller {
	return func(ctx context.Context, payload []byte, timeout time.Duration, s *stream.Caller) ([]byte, error) {
		return w.Call(ctx, &channel.Call{Origin: wire.Entity{PublicKey: "V1"}, Target: wire.Entity{PublicKey: "M1"},
			Operation: "Do", Payload: payload, Stream: s}, timeout)
	}
}

func TestStreamsBothWays(t *testing.T) {
	t.Run("within a process", func(t *testing.T) {
		streamtest.Run(t, func(t *testing.T, h streamtest.Handler) (streamtest.Caller, []*stream.Meter) {
			near, far := channel.Pair()
			mine, theirs := streamConfig(t, nil, false), streamConfig(t, h, false)
			mine.Handler = nil
			near.Serve(mine)
			far.Serve(theirs)
			return streamCaller(near), []*stream.Meter{mine.Streams, theirs.Streams}
		})
	})
	for name, inline := range map[string]bool{"between processes": false, "on the goroutine that reads": true} {
		t.Run(name, func(t *testing.T) {
			streamtest.Run(t, func(t *testing.T, h streamtest.Handler) (streamtest.Caller, []*stream.Meter) {
				a, b := socketPair(t)
				mine, theirs := streamConfig(t, nil, false), streamConfig(t, h, inline)
				mine.Handler = nil
				near, far := channel.New(a, mine), channel.New(b, theirs)
				t.Cleanup(func() {
					_ = near.Close(context.Background())
					_ = far.Close(context.Background())
				})
				return streamCaller(near), []*stream.Meter{mine.Streams, theirs.Streams}
			})
		})
	}
}

// socketPair is a connection as it is between two processes of a machine.
func socketPair(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}
