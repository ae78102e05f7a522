package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// barrier stands for a key-value provider that answers no call before so many have come. So all of them are in
// instances of their own when it does.
type barrier struct {
	sub  *nats.Subscription
	full chan struct{} // closed when all have come

	mu    sync.Mutex
	want  int         // guarded by mu
	calls []*nats.Msg // guarded by mu
}

func newBarrier(nc *nats.Conn, subj string, want int) (b *barrier, err error) {
	b = &barrier{want: want, full: make(chan struct{})}
	b.sub, err = nc.QueueSubscribe(subj, subject.ProviderQueue, func(m *nats.Msg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.calls = append(b.calls, m)
		if len(b.calls) == b.want {
			close(b.full)
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	return b, err
}

// release answers what has come: each counter stands at n.
func (b *barrier) release(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var w msgpack.Writer
	w.Int(n)
	for _, m := range b.calls {
		inv, err := wire.DecodeInvocation(m.Data)
		if err != nil {
			return err
		}
		if err := m.Respond((&wire.Response{InvocationID: inv.ID, Msg: w.Bytes(),
			ContentLength: uint64(len(w.Bytes()))}).Encode()); err != nil {
			return err
		}
	}
	return nil
}

// instancesOfOne scales an actor, kvcounter by TinyGo, from one instance to 1,000 and keeps all of them in a call at
// once.
func instancesOfOne(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	const patience = "120000" // ms
	c, host, err := l.lattice(ctx, "instances", "--rpc-timeout-ms", patience, "--actor-timeout", "120s",
		"--actor-queue", "0")
	if err != nil {
		return err
	}
	subj, addr, err := b.counter(ctx, l, c, patience)
	if err != nil {
		return err
	}
	if _, err := together(ctx, l.nc, subj, addr, 1); err != nil {
		return err
	}
	before, err := rss(host.pid())
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := c.run(ctx, nil, "actor", "scale", "tinygo-kvcounter", "--max", fmt.Sprint(thousand)); err != nil {
		return err
	}
	scaled := time.Since(begin)
	serving, err := together(ctx, l.nc, subj, addr, thousand)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, host.log.String())
	}
	after, err := rss(host.pid())
	if err != nil {
		return err
	}
	r.record("one actor from 1 to 1,000 instances (TinyGo, 85 kB): `actor scale`; "+
		"then 1,000 requests at once until each is in an instance of its own",
		fmt.Sprintf("%s; %s", round(scaled), round(serving)),
		fmt.Sprintf("host: %.0f MiB before, %.0f MiB after, %.0f KiB an instance and its request", mib(before),
			mib(after), float64(after-before)/1024/thousand))
	return nil
}

// counter starts one instance of kvcounter on a lattice that is called instances. It is served at addr, and its calls
// to the key-value store come to subj, where the caller answers them.
func (b *bench) counter(ctx context.Context, l *lab, c cli, patience string) (subj, addr string, err error) {
	module, err := os.ReadFile(filepath.Join("host", "internal", "wasm", "testdata", "tinygo", "kvcounter.wasm"))
	if err != nil {
		return "", "", err
	}
	file := filepath.Join(b.dir, "tinygo-kvcounter.wasm")
	if err := os.WriteFile(file, module, 0o600); err != nil {
		return "", "", err
	}
	if err := c.run(ctx, nil, "actor", "start", file, "--max", "1", "--cap", "wasmcloud:httpserver", "--cap",
		"wasmcloud:keyvalue"); err != nil {
		return "", "", err
	}
	var actors []struct {
		ID lattice.ActorID `json:"id"`
	}
	if err := c.run(ctx, &actors, "actor", "list"); err != nil {
		return "", "", err
	}
	if len(actors) != 1 {
		return "", "", fmt.Errorf("%d actors", len(actors))
	}
	key, err := signing.New(signing.KindProvider)
	if err != nil {
		return "", "", err
	}
	state, err := store.Open(ctx, l.nc, "instances", store.Config{})
	if err != nil {
		return "", "", err
	}
	if err := state.PutLink(ctx, wire.LinkDefinition{ActorID: actors[0].ID,
		ProviderID: lattice.ProviderID(key.Public()), LinkName: lattice.DefaultLink,
		ContractID: "wasmcloud:keyvalue"}); err != nil {
		return "", "", err
	}
	subj = subject.Provider("instances", lattice.ProviderID(key.Public()), lattice.DefaultLink)
	port, err := freePort()
	if err != nil {
		return "", "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	if err := c.run(ctx, nil, "link", "put", "tinygo-kvcounter", "httpserver", "address="+addr,
		"timeout_ms="+patience); err != nil {
		return "", "", err
	}
	return subj, addr, nil
}

// together makes n requests at once, each on a connection of its own, and returns how long it took until all were in
// the actor at the same time. All must then be answered.
func together(ctx context.Context, nc *nats.Conn, subj, addr string, n int) (took time.Duration, err error) {
	all, err := newBarrier(nc, subj, n)
	if err != nil {
		return 0, err
	}
	defer func() { _ = all.sub.Unsubscribe() }()
	clients := make([]*client, n)
	for i := range clients {
		if err := until(10*time.Second, func() (err error) {
			clients[i], err = dial(addr, "/", []byte(payload))
			return err
		}); err != nil {
			return 0, err
		}
		defer clients[i].conn.Close()
	}
	failed := make(chan error, n)
	begin := time.Now()
	for _, c := range clients {
		go func() { failed <- c.do([]byte(`{"counter":7}`)) }()
	}
	select {
	case <-all.full:
		took = time.Since(begin)
	case err := <-failed: // nothing is answered yet
		return 0, fmt.Errorf("before all %d were in the actor: %w", n, err)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if err := all.release(7); err != nil {
		return 0, err
	}
	for range clients {
		if err := <-failed; err != nil {
			return 0, err
		}
	}
	return took, nil
}
