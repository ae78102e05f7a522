package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// stored is the number of messages in the store: descriptions, pieces, and notes of deletions.
func (r *rig) stored(t *testing.T) uint64 {
	t.Helper()
	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), subject.ChunkStream(r.env.Lattice))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// empty waits until the store holds no message at all.
func (r *rig) empty(t *testing.T) {
	t.Helper()
	latticetest.Eventually(t, func() error {
		if n := r.stored(t); n != 0 {
			return fmt.Errorf("%d messages are left in the store", n)
		}
		return nil
	})
}

func (r *rig) echo(t *testing.T) {
	r.serve(t, 0, func(_ context.Context, inv *wire.Invocation) ([]byte, error) { return inv.Msg, nil })
}

var large = bytes.Repeat([]byte("0123456789abcdef"), 1280<<10/16) // more pieces than a window

func TestLargeLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.echo(t)
	got, err := r.call(t.Context(), "Test.Echo", large)
	if err != nil || !bytes.Equal(got, large) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	r.empty(t)
}

func TestStream(t *testing.T) {
	r := newRig(t)
	r.echo(t)
	for _, size := range []int{0, 5, wire.MaxInlineBytes, wire.MaxInlineBytes + 1, len(large)} {
		head := min(size, 10)
		call := rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Echo",
			Payload: large[:head],
			Body:    bytes.NewReader(large[head:]), BodyLength: int64(size - head)}
		a, err := r.client.Open(t.Context(), call)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got, err := io.ReadAll(a)
		if err != nil || !bytes.Equal(got, large[:size]) || a.Len() != int64(size) {
			t.Errorf("%d bytes: got %d of %d, %v", size, len(got), a.Len(), err)
		}
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
	}
	// An answer that is not read to its end.
	a, err := r.client.Open(t.Context(), rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor),
		Operation: "Test.Echo", Payload: large})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, a, 1000); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	r.empty(t)
}

// A body that ends early, or breaks, is the caller's error as it is, and leaves nothing.
func TestStreamBroken(t *testing.T) {
	r := newRig(t)
	r.echo(t)
	broken := errors.New("the socket broke")
	for name, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"short": {bytes.NewReader(large[:1150<<10]), io.ErrUnexpectedEOF},
		"broken": {io.MultiReader(bytes.NewReader(large[:1150<<10]),
			readerFunc(func([]byte) (int, error) { return 0, broken })), broken},
		"short small": {nil, io.ErrUnexpectedEOF},
	} {
		size := len(large)
		if c.body == nil {
			c.body, size = strings.NewReader("abc"), 4
		}
		_, err := r.client.Call(t.Context(), rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor),
			Operation: "Test.Echo", Body: c.body, BodyLength: int64(size)})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.empty(t)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Callers and servers that fail at each step leave an empty store.
func TestLargeFailures(t *testing.T) {
	long.Test(t, "moves large payloads")
	r := newRig(t)
	arrived := make(chan struct{}, 1)
	hold := make(chan struct{})
	r.serve(t, 1, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		switch inv.Operation {
		case "Test.Fail":
			return nil, &lattice.Error{Code: lattice.ErrGuest, Detail: "no"}
		case "Test.Hold": // and then answers, though the caller has gone
			arrived <- struct{}{}
			<-hold
		}
		return inv.Msg, nil
	})
	if _, err := r.call(t.Context(), "Test.Fail", large); !errors.Is(err, lattice.ErrGuest) {
		t.Errorf("fails: %v", err)
	}
	r.empty(t)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	gone := make(chan error, 1)
	go func() {
		_, err := r.call(ctx, "Test.Hold", large)
		gone <- err
	}()
	<-arrived
	if _, err := r.call(t.Context(), "Test.Echo", large); !errors.Is(err, lattice.ErrBusy) {
		t.Errorf("busy: %v", err)
	}
	r.empty(t)
	cancel()
	if err := <-gone; !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("canceled: %v", err)
	}
	close(hold) // the response is put now
	latticetest.Eventually(t, func() error {
		if r.stored(t) == 0 {
			return errors.New("no response yet")
		}
		return nil
	})
	r.empty(t) // 3 s of call, 5 s of grace
}

// TestBudget lets more callers come than there is room for.
func TestBudget(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	env := latticetest.NATS(t)
	budget := load.NewBudget(2*int64(len(large)) + 1000)
	r := &rig{env: env, nc: env.Conn(t), actor: env.ActorID(t)}
	r.origin = wire.ProviderEntity(env.ProviderID(t), "wasmcloud:httpserver", "default")
	r.client = rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(t), Cluster: env.Cluster})
	r.server = rpc.NewServer(env.Conn(t), rpc.ServerConfig{Lattice: env.Lattice,
		Verifier: signing.NewVerifier(env.Cluster.ClusterID()), Logger: env.Logger, Budget: budget})
	defer func() {
		if err := r.server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var mu sync.Mutex
	var most int64
	in, hold := make(chan struct{}, 100), make(chan struct{})
	r.serve(t, 0, func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
		used, _ := budget.Used()
		mu.Lock()
		most = max(most, used)
		mu.Unlock()
		if inv.Operation == "Test.Hold" {
			in <- struct{}{}
			<-hold
		}
		return inv.Msg, load.Reserve(ctx, len(inv.Msg))
	})
	// Many at the same time: all come through, two at a time.
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if got, err := r.call(t.Context(), "Test.Echo", large); err != nil || !bytes.Equal(got, large) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if most > budget.Limit() {
		t.Errorf("%d bytes were held, the limit is %d", most, budget.Limit())
	}
	// Two hold all there is: a third is told so, in time; a small one has nothing to do with it.
	for range 2 {
		wg.Go(func() {
			if _, err := r.call(t.Context(), "Test.Hold", large); err != nil {
				t.Error(err)
			}
		})
	}
	<-in
	<-in
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := r.call(short, "Test.Echo", large); !errors.Is(err, lattice.ErrBusy) || !strings.Contains(err.Error(),
		"no room") {
		t.Errorf("no room: %v", err)
	}
	if _, err := r.call(t.Context(), "Test.Echo", large[:10]); err != nil {
		t.Errorf("small: %v", err)
	}
	if _, err := r.call(t.Context(), "Test.Echo",
		append(bytes.Clone(large), append(large, large...)...)); !errors.Is(err, lattice.ErrTooLarge) {
		t.Errorf("more than there is room for at all: %v", err)
	}
	close(hold)
	wg.Wait()
	latticetest.Eventually(t, func() error {
		if used, waiting := budget.Used(); used != 0 || waiting != 0 {
			return fmt.Errorf("%d bytes held, %d wait", used, waiting)
		}
		return nil
	})
	r.empty(t)
}

// TestForeignLarge has a caller that does everything by the object store of the NATS client, as other software does.
func TestForeignLarge(t *testing.T) {
	r := newRig(t)
	r.echo(t)
	js, err := jetstream.New(r.nc)
	if err != nil {
		t.Fatal(err)
	}
	store, err := js.CreateObjectStore(t.Context(),
		jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(r.env.Lattice)})
	if err != nil {
		t.Fatal(err)
	}
	inv := &wire.Invocation{Origin: r.origin, Target: wire.ActorEntity(r.actor), Operation: "Test.Echo", Msg: large,
		ID: uuid.NewString(), HostID: r.env.HostID(t), ContentLength: uint64(len(large))}
	if inv.EncodedClaims, err = signing.SignInvocation(r.env.Cluster,
		signing.Invocation{ID: inv.ID, OriginURL: inv.OriginURL(), TargetURL: inv.TargetURL(),
			Hash: inv.Hash()}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.PutBytes(t.Context(), inv.ID, large); err != nil {
		t.Fatal(err)
	}
	inv.Msg = nil
	m, err := r.nc.Request(subject.Actor(r.env.Lattice, r.actor), inv.Encode(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.DecodeResponse(m.Data)
	if err != nil || resp.Error != "" || resp.ContentLength != uint64(len(large)) {
		t.Fatalf("%+v, %v", resp, err)
	}
	stream, err := js.Stream(t.Context(), subject.ChunkStream(r.env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := stream.GetLastMsgForSubject(t.Context(), subject.ChunkMeta(r.env.Lattice, inv.ID+"-r"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"mtime":"2`, `"modified":"2`,
		`"deleted":false`} { // without the last two async-nats 0.27 cannot read it
		if !bytes.Contains(meta.Data, []byte(key)) {
			t.Errorf("the description has no %s: %s", key, meta.Data)
		}
	}
	got, err := store.GetBytes(t.Context(), inv.ID+"-r")
	if err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := store.Delete(t.Context(), inv.ID+"-r"); err != nil {
		t.Error(err)
	}
	if list, err := store.List(t.Context()); !errors.Is(err, jetstream.ErrNoObjectsFound) {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestConnectionLost cuts the caller off while its payload is on its way.
func TestConnectionLost(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	r := newRig(t)
	r.echo(t)
	lost := r.env.Conn(t)
	client := rpc.NewClient(lost, rpc.ClientConfig{Lattice: r.env.Lattice, HostID: r.env.HostID(t),
		Cluster: r.env.Cluster})
	sent := 0
	body := readerFunc(func(p []byte) (int, error) {
		if sent += len(p); sent > 1<<20 {
			lost.Close()
		}
		return len(p), nil
	})
	_, err := client.Call(t.Context(), rpc.Call{Origin: r.origin, Target: wire.ActorEntity(r.actor),
		Operation: "Test.Echo", Body: body, BodyLength: 2 << 20})
	if !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("cut off: %v", err)
	}
	if r.stored(t) == 0 {
		t.Error("nothing was stored, so that nothing was tested")
	}
	if _, err := chunks.Sweep(t.Context(), r.nc, r.env.Lattice, time.Now().Add(time.Minute)); err != nil {
		t.Error(err)
	}
	r.empty(t)
}
