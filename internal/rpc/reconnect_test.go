package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// node is a server and a client on one connection, as hosts and providers have them.
type node struct {
	nc     *nats.Conn
	client *rpc.Client
	server *rpc.Server
}

func newNode(t *testing.T, env *latticetest.Env) *node {
	n := &node{nc: env.Conn(t)}
	n.client = rpc.NewClient(n.nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(t), Cluster: env.Cluster,
		Timeout: 20 * time.Second})
	n.server = rpc.NewServer(n.nc, rpc.ServerConfig{Lattice: env.Lattice,
		Verifier: signing.NewVerifier(env.Cluster.ClusterID()), Logger: env.Logger})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) serve(t *testing.T, env *latticetest.Env, h invocation.Handler) lattice.ActorID {
	t.Helper()
	id := env.ActorID(t)
	s := subject.Actor(env.Lattice, id)
	if _, err := n.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(id), Subject: s, Queue: s, Limit: 1000,
		Handler: h}); err != nil {
		t.Fatal(err)
	}
	return id
}

// A node whose connection gets new credentials again and again loses none of the calls to it, from it, or through it,
// and none of the requests that its handlers make on the connection themselves when it holds.
func TestReconnectUnderLoad(t *testing.T) {
	env := latticetest.NATS(t)
	caller := newNode(t, env)
	echo := func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil }
	there := caller.serve(t, env, echo)
	if _, err := caller.nc.Subscribe("plain", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, env)
	through := n.serve(t, env, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		e := wire.ActorEntity(there)
		return n.client.Call(ctx, rpc.Call{Origin: e, Target: e, Operation: "Echo", Payload: inv.Msg})
	})
	holding := newNode(t, env) // as keyvalue-nats: its handler talks to NATS
	plain := holding.serve(t, env, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		m, err := holding.nc.RequestWithContext(ctx, "plain", inv.Msg)
		if err != nil {
			return nil, err
		}
		return m.Data, nil
	})

	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var calls, failed atomic.Int64
	ask := func(c *rpc.Client, id lattice.ActorID) {
		load.Go(func() {
			e := wire.ActorEntity(id)
			for i := 0; ctx.Err() == nil; i++ {
				want := fmt.Sprint(i)
				got, err := c.Call(context.Background(), rpc.Call{Origin: e, Target: e, Operation: "Echo",
					Payload: []byte(want)})
				calls.Add(1)
				if err != nil || string(got) != want {
					failed.Add(1)
					t.Errorf("call %d: %q, %v", i, got, err)
					return
				}
			}
		})
	}
	for range 3 {
		ask(caller.client, through)
		ask(n.client, there)
		ask(caller.client, plain)
	}
	for i := range 6 {
		before := n.nc.Stats().Reconnects + holding.nc.Stats().Reconnects
		at := calls.Load()
		cfg := natsconn.Config{URL: env.URL, Name: "bridge"}
		if err := rpc.Reconnect(t.Context(), n.nc, cfg, n.client, n.server, false); err != nil {
			t.Fatalf("reconnect %d: %v", i, err)
		}
		if err := rpc.Reconnect(t.Context(), holding.nc, cfg, holding.client, holding.server, true); err != nil {
			t.Fatalf("reconnect %d: %v", i, err)
		}
		if after := n.nc.Stats().Reconnects + holding.nc.Stats().Reconnects; after != before+2 {
			t.Fatalf("%d reconnects, want 2", after-before)
		}
		latticetest.Eventually(t, func() error {
			if calls.Load() < at+100 && failed.Load() == 0 {
				return fmt.Errorf("only %d calls since", calls.Load()-at)
			}
			return nil
		})
	}
	stop()
	load.Wait()
	t.Logf("%d calls, %d failed, 12 reconnects", calls.Load(), failed.Load())
}

// Credentials that NATS does not accept are an error, and nothing has changed.
func TestReconnectRefused(t *testing.T) {
	env := latticetest.NATS(t)
	n := newNode(t, env)
	id := n.serve(t, env, func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil })
	cfg := natsconn.Config{URL: "nats://127.0.0.1:1", Name: "bridge"}
	if err := rpc.Reconnect(t.Context(), n.nc, cfg, n.client, n.server,
		true); lattice.CodeOf(err) != lattice.ErrUnavailable {
		t.Errorf("reconnected: %v", err)
	}
	e := wire.ActorEntity(id)
	if _, err := n.client.Call(t.Context(), rpc.Call{Origin: e, Target: e, Operation: "Echo",
		Payload: []byte("x")}); err != nil || n.nc.Stats().Reconnects != 0 {
		t.Errorf("%v, %d reconnects", err, n.nc.Stats().Reconnects)
	}
}

// What is drained while the server moves is gone on both connections.
func TestDrainWhileMoving(t *testing.T) {
	env := latticetest.NATS(t)
	n := newNode(t, env)
	echo := func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil }
	other, asker := env.Conn(t), env.Conn(t)
	for range 20 {
		id := env.ActorID(t)
		s := subject.Actor(env.Lattice, id)
		sub, err := n.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(id), Subject: s, Queue: s, Handler: echo})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := n.server.Move(t.Context(), other); err != nil {
				t.Error(err)
			}
		})
		if err := sub.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		n.nc, other = other, n.nc
		latticetest.Eventually(t, func() error {
			if _, err := asker.Request(s, nil, time.Second); !errors.Is(err, nats.ErrNoResponders) {
				return fmt.Errorf("somebody still serves: %w", err)
			}
			return nil
		})
	}
}
