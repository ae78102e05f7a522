package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a client and a server with one actor endpoint, over a real NATS server.
type rig struct {
	env    *latticetest.Env
	nc     *nats.Conn
	client *rpc.Client
	server *rpc.Server
	actor  lattice.ActorID
	origin wire.Entity

	mu       sync.Mutex
	observed []error
}

func newRig(t *testing.T) *rig { return newRigWith(t, 0, 0) }

// newRigWith has a server that takes calls of a certain age only.
func newRigWith(t *testing.T, maxAge, maxAhead time.Duration) *rig {
	env := latticetest.NATS(t)
	r := &rig{env: env, nc: env.Conn(t), actor: env.ActorID(t)}
	r.origin = wire.ProviderEntity(env.ProviderID(t), "wasmcloud:httpserver", "default")
	r.client = rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(t), Cluster: env.Cluster,
		MaxBytes: 5 << 20})
	r.server = rpc.NewServer(env.Conn(t), rpc.ServerConfig{Lattice: env.Lattice, MaxBytes: 4 << 20, MaxAge: maxAge,
		MaxAhead: maxAhead, Verifier: signing.NewVerifier(env.Cluster.ClusterID()), Logger: env.Logger,
		Observe: func(_ context.Context, _ *wire.Invocation, _ time.Duration, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.observed = append(r.observed, err)
		}})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) serve(t *testing.T, limit int, h invocation.Handler) *rpc.Subscription {
	t.Helper()
	s := subject.Actor(r.env.Lattice, r.actor)
	sub, err := r.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(r.actor), Subject: s, Queue: s,
		Limit: limit, Handler: h})
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func (r *rig) call(ctx context.Context, op string, payload []byte) ([]byte, error) {
	return r.client.Call(ctx, rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: op,
		Payload: payload})
}

func TestCall(t *testing.T) {
	r := newRig(t)
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		switch inv.Operation {
		case "Test.Echo":
			return inv.Msg, nil
		case "Test.Guest":
			return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "no such door"}
		case "Test.Huge":
			return make([]byte, 4<<20+1), nil
		case "Test.Panic":
			panic("boom")
		case "Test.Slow":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, errors.New("plain")
	})
	ctx := context.Background()
	big := bytes.Repeat([]byte("x"), 4<<20)
	for _, payload := range [][]byte{nil, []byte("hi"), big[:wire.MaxInlineBytes], big[:wire.MaxInlineBytes+1], big} {
		if got, err := r.call(ctx, "Test.Echo", payload); err != nil || !bytes.Equal(got, payload) {
			t.Errorf("echo of %d bytes: got %d, %v", len(payload), len(got), err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	for _, c := range []struct {
		op      string
		ctx     context.Context
		payload []byte
		want    lattice.Code
		text    string
	}{
		{"Test.Guest", ctx, nil, lattice.ErrGuest, "no such door"},
		{"Test.Huge", ctx, nil, lattice.ErrTooLarge, "response of 4194305 bytes, limit 4194304"},
		{"Test.Echo", ctx, append(big, 'x'), lattice.ErrTooLarge, "request of 4194305 bytes, limit 4194304"},
		{"Test.Echo", ctx, make([]byte, 5<<20+1), lattice.ErrTooLarge, "request of 5242881 bytes, limit 5242880"},
		{"Test.Guest", ctx, big, lattice.ErrGuest, "no such door"},
		{"Test.Panic", ctx, nil, lattice.ErrInternal, "panicked"},
		{"Test.Other", ctx, nil, lattice.ErrInternal, "plain"},
		{"Test.Slow", short, nil, lattice.ErrTimeout, ""},
	} {
		_, err := r.call(c.ctx, c.op, c.payload)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v; want %s with %q", c.op, err, c.want.Name(), c.text)
		}
	}
	_, err := r.client.Call(ctx, rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.env.ActorID(t)),
		Operation: "A.B"})
	if !errors.Is(err, lattice.ErrNoResponders) {
		t.Errorf("nobody there: %v, want ErrNoResponders", err)
	}
	_, err = r.client.Call(ctx, rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.env.ActorID(t)),
		Operation: "A.B", Payload: big})
	if !errors.Is(err, lattice.ErrNoResponders) {
		t.Errorf("nobody there for a large payload: %v, want ErrNoResponders", err)
	}
	r.nothingLeft(t)
}

// nothingLeft checks that the object store holds no payload any more.
func (r *rig) nothingLeft(t *testing.T) {
	t.Helper()
	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error {
		store, err := js.ObjectStore(context.Background(), subject.ChunkBucket(r.env.Lattice))
		if err != nil {
			return err
		}
		left, err := store.List(context.Background())
		if !errors.Is(err, jetstream.ErrNoObjectsFound) {
			return fmt.Errorf("%d payloads left, %v", len(left), err)
		}
		return nil
	})
}

// Each refusal a receiver owes to a call that it must not serve.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	var served atomic.Int32
	r.serve(t, 0, func(context.Context, *wire.Invocation) ([]byte, error) { served.Add(1); return nil, nil })
	foreign := latticetest.NewKey(t, 'C')
	sign := func(k signing.KeyPair, i *wire.Invocation) {
		token, err := signing.SignInvocation(k,
			signing.Invocation{ID: i.ID, OriginURL: i.OriginURL(), TargetURL: i.TargetURL(),
				Hash: i.Hash()}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		i.EncodedClaims = token
	}
	for name, c := range map[string]struct {
		change func(*wire.Invocation)
		want   lattice.Code
	}{
		"altered payload":   {func(i *wire.Invocation) { i.Msg = []byte("other") }, lattice.ErrHashMismatch},
		"altered operation": {func(i *wire.Invocation) { i.Operation = "Test.Other" }, lattice.ErrHashMismatch},
		"altered origin":    {func(i *wire.Invocation) { i.Origin.LinkName = "x" }, lattice.ErrHashMismatch},
		"foreign cluster":   {func(i *wire.Invocation) { sign(foreign, i) }, lattice.ErrUnknownIssuer},
		"forged": {func(i *wire.Invocation) {
			parts := strings.Split(i.EncodedClaims, ".")
			i.EncodedClaims = parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
		}, lattice.ErrTokenSignature},
		"no claims": {func(i *wire.Invocation) { i.EncodedClaims = "" }, lattice.ErrTokenMalformed},
		"no host":   {func(i *wire.Invocation) { i.HostID = "me" }, lattice.ErrTokenMalformed},
		"wrong target": {func(i *wire.Invocation) {
			i.Target = wire.ActorEntity(r.env.ActorID(t))
			sign(r.env.Cluster, i)
		}, lattice.ErrWrongTarget},
		"too large":  {func(i *wire.Invocation) { i.ContentLength = 10 << 20 }, lattice.ErrTooLarge},
		"no payload": {func(i *wire.Invocation) { i.ContentLength = 1 << 20 }, lattice.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inv := &wire.Invocation{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Echo",
				Msg: []byte("msg"), ID: "some-id", HostID: r.env.HostID(t)}
			inv.ContentLength = uint64(len(inv.Msg))
			sign(r.env.Cluster, inv)
			c.change(inv)
			reply, err := r.nc.Request(subject.Actor(r.env.Lattice, r.actor), inv.Encode(), 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := wire.DecodeResponse(reply.Data)
			if err != nil || resp.Error == "" || resp.InvocationID != "some-id" ||
				reply.Header.Get("Weft-Error") != c.want.Name() {
				t.Errorf("got %+v, header %q, %v; want %s", resp, reply.Header.Get("Weft-Error"), err, c.want.Name())
			}
		})
	}
	reply, err := r.nc.Request(subject.Actor(r.env.Lattice, r.actor), []byte("garbage"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := wire.DecodeResponse(reply.Data); err != nil || resp.Error == "" || resp.InvocationID != "UNKNOWN" {
		t.Errorf("garbage: %+v, %v", resp, err)
	}
	if n := served.Load(); n != 0 {
		t.Errorf("the handler ran %d times", n)
	}
	latticetest.Eventually(t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.observed) != 11 {
			return fmt.Errorf("observed %d refusals, want 11", len(r.observed))
		}
		return nil
	})
}

func TestBusy(t *testing.T) {
	r := newRig(t)
	release, entered := make(chan struct{}), make(chan struct{}, 2)
	r.serve(t, 2, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		entered <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return inv.Msg, nil
	})
	errs := make(chan error, 2)
	for range 2 {
		go func() { _, err := r.call(context.Background(), "Test.Wait", nil); errs <- err }()
		<-entered
	}
	if _, err := r.call(context.Background(), "Test.Wait", nil); !errors.Is(err, lattice.ErrBusy) ||
		!lattice.CodeOf(err).Retryable() {
		t.Errorf("third call: %v, want ErrBusy", err)
	}
	close(release)
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestDrainLosesNothing(t *testing.T) {
	r := newRig(t)
	h := func(ctx context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil }
	var sub = r.serve(t, 0, h)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := r.call(context.Background(), "Test.Echo", []byte("x")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 { // the next subscription is there before the last one goes
		next := r.serve(t, 0, h)
		if err := sub.Drain(context.Background()); err != nil {
			t.Error(err)
		}
		sub = next
	}
	close(stop)
	wg.Wait()
}

// Draining ends although the NATS server is gone, whether or not the connection has noticed.
func TestDrainWithoutServer(t *testing.T) {
	r := newRig(t)
	sub := r.serve(t, 0, func(context.Context, *wire.Invocation) ([]byte, error) { return nil, nil })
	r.env.Stop(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := sub.Drain(ctx); err != nil {
		t.Error(err)
	}
}

func TestContextTravels(t *testing.T) {
	r := newRig(t)
	parent := trace.New()
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		tc, ok := trace.From(ctx)
		deadline, has := ctx.Deadline()
		if !ok || tc.TraceID != parent.TraceID || tc.SpanID == parent.SpanID {
			return nil, fmt.Errorf("trace %v %v, parent %v", tc, ok, parent)
		}
		if left := time.Until(deadline); !has || left > time.Minute || left < 30*time.Second {
			return nil, fmt.Errorf("%v left, want about a minute", left)
		}
		return nil, nil
	})
	ctx, cancel := context.WithTimeout(trace.With(context.Background(), parent), time.Minute)
	defer cancel()
	if _, err := r.call(ctx, "Test.Echo", nil); err != nil {
		t.Error(err)
	}
}

func TestCloseWithStuckHandler(t *testing.T) {
	r := newRig(t)
	entered := make(chan struct{})
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := r.call(ctx, "Test.Wait", nil)
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.server.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v, want deadline exceeded", err)
	}
	if err := <-done; !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("the caller got %v, want ErrCanceled", err)
	}
	if _, err := r.server.Serve(rpc.Endpoint{Subject: "x"}); !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("serve after close: %v", err)
	}
}

func BenchmarkCall(b *testing.B) {
	env := latticetest.NATS(b)
	actor := env.ActorID(b)
	s := subject.Actor(env.Lattice, actor)
	server := rpc.NewServer(env.Conn(b), rpc.ServerConfig{Lattice: env.Lattice, MaxBytes: 4 << 20,
		Verifier: signing.NewVerifier(env.Cluster.ClusterID()), Logger: env.Logger})
	defer server.Close(context.Background())
	if _, err := server.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: s, Queue: s,
		Handler: func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil }}); err != nil {
		b.Fatal(err)
	}
	nc := env.Conn(b)
	client := rpc.NewClient(nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(b), Cluster: env.Cluster})
	payload := []byte("hello")
	b.Run("signed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := client.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(actor),
				Target: wire.ActorEntity(actor), Operation: "T.Echo", Payload: payload})
			if err != nil || !bytes.Equal(got, payload) {
				b.Fatal(err)
			}
		}
	})
	b.Run("sealed", func(b *testing.B) { benchSealed(b, env, actor) })
	if _, err := nc.Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			got, err := nc.Request("bare", payload, time.Second)
			if err != nil || !bytes.Equal(got.Data, payload) {
				b.Fatal(err)
			}
		}
	})
}

// benchSealed calls an actor at one host by itself, with MACs.
func benchSealed(b *testing.B, env *latticetest.Env, actor lattice.ActorID) {
	call, sealed := sealedCaller(b, env, actor)
	b.ReportAllocs()
	calls := int64(0)
	for b.Loop() {
		calls++
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	if sealed.Load() < calls*9/10-1 {
		b.Fatalf("%d of %d calls went with a MAC", sealed.Load(), calls)
	}
}

// sealedCaller serves an actor that answers what it gets, at a host of its own, and returns a function that calls it
// there, and how many calls went with a MAC.
func sealedCaller(b *testing.B, env *latticetest.Env, actor lattice.ActorID) (call func() error, sealed *atomic.Int64) {
	verifier := signing.NewVerifier(env.Cluster.ClusterID())
	agreement, err := signing.NewAgreement(env.Cluster, verifier)
	if err != nil {
		b.Fatal(err)
	}
	id, nc := env.HostID(b), env.Conn(b)
	server := rpc.NewServer(nc, rpc.ServerConfig{Lattice: env.Lattice, Verifier: verifier, Logger: env.Logger,
		HostID: id, Agreement: agreement})
	b.Cleanup(func() { _ = server.Close(context.Background()) })
	s := subject.Actor(env.Lattice, actor)
	if _, err := server.Serve(rpc.Endpoint{Target: wire.ActorEntity(actor), Subject: s, Queue: s,
		Handler: func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil }}); err != nil {
		b.Fatal(err)
	}
	if _, err := server.ServeDirect(subject.Host(env.Lattice, id), func() []byte {
		return wire.Served{Revision: 1, Targets: []string{string(actor)}}.Encode()
	}); err != nil {
		b.Fatal(err)
	}
	caller := env.Conn(b)
	directory := rpc.NewDirectory(caller, env.Lattice, env.Logger)
	b.Cleanup(directory.Close)
	sealed = new(atomic.Int64)
	client := rpc.NewClient(caller, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(b), Cluster: env.Cluster,
		Directory: directory, Agreement: agreement,
		Logger: env.Logger, Sent: func(p rpc.Attempt) {
			if p.MAC {
				sealed.Add(1)
			}
		}})
	directory.Wake()
	latticetest.Eventually(b, func() error {
		beat := wire.Beat{HostID: id, Sequence: 1, Direct: &wire.Direct{Version: 1, Issuer: agreement.Issuer(),
			Capacity: 1, Served: 1, PeriodMS: 1200_000, Timeout: true}}
		if err := nc.Publish(subject.Beat(env.Lattice, id), beat.Encode()); err != nil {
			return err
		}
		if !rpc.Knows(client, wire.ActorEntity(actor), id) {
			return errors.New("not known yet")
		}
		return nil
	})
	origin := wire.ProviderEntity(env.ProviderID(b), "wasmcloud:httpserver", "default")
	payload := []byte("hello")
	return func() error {
		got, err := client.Call(context.Background(),
			rpc.Call{Origin: origin, Target: wire.ActorEntity(actor), Operation: "T.Echo", Payload: payload})
		if err == nil && !bytes.Equal(got, payload) {
			err = fmt.Errorf("answer %q", got)
		}
		return err
	}, sealed
}
