package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/internal/stream/streamtest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// streamPair is a host that serves an actor, and a provider's process on another one.
type streamPair struct {
	call   streamtest.Caller
	meters []*stream.Meter
	host   lattice.HostID // that serves
	nc     *nats.Conn     // of it
	server *rpc.Server    // of it
}

func newStreamPair(t testing.TB, h streamtest.Handler) *streamPair {
	t.Helper()
	env := latticetest.NATS(t)
	p := &streamPair{host: env.HostID(t), nc: env.Conn(t),
		meters: []*stream.Meter{new(stream.Meter), new(stream.Meter)}}
	verifier := signing.NewVerifier(env.Cluster.ClusterID())
	agreement, err := signing.NewAgreement(env.Cluster, verifier)
	if err != nil {
		t.Fatal(err)
	}
	actor := env.ActorID(t)
	p.server = rpc.NewServer(p.nc, rpc.ServerConfig{Lattice: env.Lattice, Verifier: verifier, Logger: env.Logger,
		HostID: p.host, Agreement: agreement, Streams: rpc.NewStreams(env.Lattice, p.host, agreement, p.meters[1])})
	t.Cleanup(func() { _ = p.server.Close(context.Background()) })
	s := subject.Actor(env.Lattice, actor)
	if _, err := p.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: s, Queue: s,
		Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			return h(ctx, bytes.Clone(inv.Msg))
		}}); err != nil {
		t.Fatal(err)
	}
	set := wire.Served{Revision: 1, Targets: []string{string(actor)}, Streams: []string{string(actor)}}
	if _, err := p.server.ServeDirect(subject.Host(env.Lattice, p.host), set.Encode); err != nil {
		t.Fatal(err)
	}

	caller, near := env.Conn(t), env.HostID(t)
	directory := rpc.NewDirectory(caller, env.Lattice, env.Logger)
	t.Cleanup(directory.Close)
	streams := rpc.NewStreams(env.Lattice, near, agreement, p.meters[0])
	origin := wire.ProviderEntity(env.ProviderID(t), "wasmcloud:httpserver", "default")
	back := rpc.NewServer(caller, rpc.ServerConfig{Lattice: env.Lattice, Verifier: verifier, Logger: env.Logger,
		HostID: near, Agreement: agreement, Streams: streams})
	t.Cleanup(func() { _ = back.Close(context.Background()) })
	if _, err := back.ServeDirect(subject.ProviderAt(env.Lattice, origin.Provider(), origin.LinkName, near),
		wire.Served{}.Encode); err != nil {
		t.Fatal(err)
	}
	client := rpc.NewClient(caller, rpc.ClientConfig{Lattice: env.Lattice, HostID: near, Cluster: env.Cluster,
		Directory: directory, Agreement: agreement, Streams: streams, Logger: env.Logger})
	directory.Wake()
	latticetest.Eventually(t, func() error {
		beat := wire.Beat{HostID: p.host, Sequence: 1, Direct: &wire.Direct{Version: 1, Issuer: agreement.Issuer(),
			Capacity: 1, Served: 1, PeriodMS: 1200_000, Timeout: true, Streams: true}}
		if err := p.nc.Publish(subject.Beat(env.Lattice, p.host), beat.Encode()); err != nil {
			return err
		}
		if !directory.Streams(wire.ActorEntity(actor)) {
			return errors.New("not known yet")
		}
		return nil
	})
	p.call = func(ctx context.Context, payload []byte, timeout time.Duration, s *stream.Caller) ([]byte, error) {
		return client.Call(ctx, rpc.Call{Origin: origin, Target: wire.ActorEntity(actor), Operation: "T.Do",
			Payload: payload, Timeout: timeout, Stream: s})
	}
	return p
}

func TestStreamsOverNATS(t *testing.T) {
	streamtest.Run(t, func(t *testing.T, h streamtest.Handler) (streamtest.Caller, []*stream.Meter) {
		p := newStreamPair(t, h)
		return p.call, p.meters
	})
}

// The end of a host that says no more: both ends break within seconds, and hold nothing.
func TestStreamWhoseOtherEndIsGone(t *testing.T) {
	ended := make(chan error, 1)
	p := newStreamPair(t, func(ctx context.Context, _ []byte) ([]byte, error) {
		o := stream.From(ctx)
		if err := errors.Join(o.Respond(nil), o.Stream.Write(ctx, []byte("x"))); err != nil {
			return nil, err
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	var broken error
	_, _ = p.call(t.Context(), nil, time.Minute, &stream.Caller{Take: func(_ []byte, s *stream.Stream) error {
		if _, err := s.Next(t.Context(), 1); err != nil {
			return err
		}
		p.nc.Close() // without a word, as by SIGKILL
		_, broken = s.Next(t.Context(), 1)
		return broken
	}})
	if lattice.CodeOf(broken) != lattice.ErrUnavailable {
		t.Errorf("the caller sees %v", broken)
	}
	<-ended // the one who serves hears nothing either
	latticetest.Eventually(t, func() error {
		for _, m := range p.meters {
			if m.Open() != 0 {
				return errors.New("a stream is open")
			}
		}
		return nil
	})
}

// A frame of somebody who does not know the key changes nothing.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\xc1\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02idpayload0123456789abcdef"))
	f.Add([]byte("\xc1\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\xffid0123456789abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) { rpc.ReceiveFrame(b) })
}
