package rpc_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// late is a server that knows when calls were sent, with an actor that counts its calls.
type late struct {
	env    *latticetest.Env
	target wire.Entity
	calls  atomic.Int64
}

func newLate(t *testing.T) *late {
	env := latticetest.NATS(t)
	return &late{env: env, target: wire.ActorEntity(env.ActorID(t))}
}

func (l *late) subject() string {
	return subject.Actor(l.env.Lattice, lattice.ActorID(l.target.PublicKey))
}

func (l *late) serve(t *testing.T, change func(*rpc.Directory)) {
	t.Helper()
	directory := rpc.NewDirectory(l.env.Conn(t), l.env.Lattice, l.env.Logger)
	t.Cleanup(directory.Close)
	change(directory)
	server := rpc.NewServer(l.env.Conn(t), rpc.ServerConfig{Lattice: l.env.Lattice,
		Verifier: signing.NewVerifier(l.env.Cluster.ClusterID()), Logger: l.env.Logger, Directory: directory})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Close(ctx)
	})
	_, err := server.Serve(rpc.Endpoint{Target: l.target, Subject: l.subject(), Queue: "q",
		Handler: func(context.Context, *wire.Invocation) ([]byte, error) {
			l.calls.Add(1)
			return []byte("done"), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
}

func (l *late) client(t *testing.T, nc *nats.Conn, timeout time.Duration) *rpc.Client {
	return rpc.NewClient(nc, rpc.ClientConfig{Lattice: l.env.Lattice, HostID: l.env.HostID(t), Cluster: l.env.Cluster,
		Timeout: timeout})
}

func (l *late) call(t *testing.T, c *rpc.Client) (string, error) {
	b, err := c.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(l.env.ActorID(t)), Target: l.target,
		Operation: "Test.Do"})
	return string(b), err
}

// NATS holds a call up until its caller has got an error. When it comes at last, it is not begun.
func TestACallWhoseCallerHasGivenUpIsNotBegun(t *testing.T) {
	latticetest.NeedsClock(t)
	l := newLate(t)
	nc := l.env.Conn(t)
	held, err := nc.SubscribeSync(l.subject())
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.call(t, l.client(t, nc, 50*time.Millisecond)); lattice.CodeOf(err) != lattice.ErrTimeout {
		t.Fatalf("a call that is held up: %v", err)
	}
	msg, err := held.NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = held.Unsubscribe()
	l.serve(t, func(*rpc.Directory) {})
	answer, err := nc.RequestMsg(&nats.Msg{Subject: l.subject(), Header: msg.Header, Data: msg.Data}, patience)
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.Header.Get("Weft-Error"); code != "timeout" || answer.Header.Get("Weft-Unbegun") == "" ||
		l.calls.Load() != 0 {
		t.Errorf("the late call was answered %q, unbegun %q, and carried out %d times", code,
			answer.Header.Get("Weft-Unbegun"), l.calls.Load())
	}
}

// The receiver is wrong about the age of a call: a caller that is there is served all the same, once.
func TestACallerThatIsThereIsServedThoughTakenForLate(t *testing.T) {
	latticetest.NeedsClock(t)
	l := newLate(t)
	l.serve(t, func(d *rpc.Directory) {
		rpc.SetMoment(d, func() wire.Stamp {
			now := clock.Now()
			now.Micros += uint64(time.Hour.Microseconds())
			return now
		})
	})
	if got, err := l.call(t, l.client(t, l.env.Conn(t), patience)); got != "done" || err != nil || l.calls.Load() != 1 {
		t.Errorf("%q, %v; carried out %d times", got, err, l.calls.Load())
	}
}

// With NATS away a call fails at once and says so, rather than at its timeout, and is not carried out when NATS is
// back.
func TestACallFailsAtOnceWhenNATSIsAway(t *testing.T) {
	l := newLate(t)
	l.serve(t, func(*rpc.Directory) {})
	nc, err := natsconn.Connect(context.Background(), natsconn.Config{URL: l.env.URL,
		ReconnectBufferBytes: natsconn.NoBuffer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	client := l.client(t, nc, 5*time.Minute)
	if got, err := l.call(t, client); got != "done" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	l.env.Stop(t)
	latticetest.Eventually(t, func() error {
		if nc.IsConnected() {
			return nats.ErrTimeout
		}
		return nil
	})
	for range 3 {
		if _, err := l.call(t, client); lattice.CodeOf(err) != lattice.ErrUnavailable || !strings.Contains(err.Error(),
			"NATS is away") {
			t.Fatalf("a call without NATS: %v", err)
		}
	}
	l.env.Start(t)
	latticetest.Eventually(t, func() error { _, err := l.call(t, client); return err })
	if n := l.calls.Load(); n != 2 {
		t.Errorf("carried out %d times, want the two calls that were answered", n)
	}
}
