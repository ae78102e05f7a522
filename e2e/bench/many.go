package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/e2e/rustlike"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/rpc"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/store"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// thousand is how many instances of one actor there are, and how many actors of one instance.
const thousand = 1000

// measureMany records what many instances, and many actors, cost a host.
func measureMany(ctx context.Context, b *bench, r *report) error {
	if err := instancesOfOne(ctx, b, r); err != nil {
		return fmt.Errorf("1 to 1,000 instances: %w", err)
	}
	for _, same := range []bool{false, true} {
		if err := distinctActors(ctx, b, r, same); err != nil {
			return fmt.Errorf("1,000 actors: %w", err)
		}
	}
	return nil
}

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
		if err := m.Respond((&wire.Response{InvocationID: inv.ID, Msg: w.Bytes(), ContentLength: uint64(len(w.Bytes()))}).Encode()); err != nil {
			return err
		}
	}
	return nil
}

// instancesOfOne scales an actor, kvcounter by TinyGo, from one instance to 1,000 and keeps all of them in a call at once.
func instancesOfOne(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	const patience = "120000" // ms
	c, host, err := l.lattice(ctx, "instances", "--rpc-timeout-ms", patience, "--actor-timeout", "120s", "--actor-queue", "0")
	if err != nil {
		return err
	}
	module, err := os.ReadFile(filepath.Join("host", "internal", "wasm", "testdata", "tinygo", "kvcounter.wasm"))
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, "tinygo-kvcounter.wasm")
	if err := os.WriteFile(file, module, 0o600); err != nil {
		return err
	}
	if err := c.run(ctx, nil, "actor", "start", file, "--max", "1", "--cap", "wasmcloud:httpserver", "--cap", "wasmcloud:keyvalue"); err != nil {
		return err
	}
	var actors []struct {
		ID lattice.ActorID `json:"id"`
	}
	if err := c.run(ctx, &actors, "actor", "list"); err != nil {
		return err
	}
	if len(actors) != 1 {
		return fmt.Errorf("%d actors", len(actors))
	}
	key, err := signing.New(signing.KindProvider)
	if err != nil {
		return err
	}
	state, err := store.Open(ctx, l.nc, "instances", store.Config{})
	if err != nil {
		return err
	}
	if err := state.PutLink(ctx, wire.LinkDefinition{ActorID: string(actors[0].ID), ProviderID: key.Public(), LinkName: string(lattice.DefaultLink), ContractID: "wasmcloud:keyvalue"}); err != nil {
		return err
	}
	subj := subject.Provider("instances", lattice.ProviderID(key.Public()), lattice.DefaultLink)
	port, err := freePort()
	if err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if err := c.run(ctx, nil, "link", "put", "tinygo-kvcounter", "httpserver", "address="+addr, "timeout_ms="+patience); err != nil {
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
	r.record("one actor from 1 to 1,000 instances (TinyGo, 85 kB): `actor scale`; then 1,000 requests at once until each is in an instance of its own",
		fmt.Sprintf("%s; %s", round(scaled), round(serving)),
		fmt.Sprintf("host: %.0f MiB before, %.0f MiB after, %.0f KiB an instance and its request", mib(before), mib(after), float64(after-before)/1024/thousand))
	return nil
}

// together makes n requests at once, each on a connection of its own, and returns how long it took until all were in the
// actor at the same time. All must then be answered.
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

// distinctActors starts 1,000 actors with keys of their own on one host and calls each once. Their code is the same, or each
// has code of its own, that is a module with another custom section.
func distinctActors(ctx context.Context, b *bench, r *report, same bool) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	const name = lattice.Name("actors")
	c, err := l.operator(string(name))
	if err != nil {
		return err
	}
	host, err := l.host(ctx, c, "--allow-file-load")
	if err != nil {
		return err
	}
	before, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	answer := (&httpserver.Response{StatusCode: 200, Body: []byte("one of many")}).Encode()
	ids, files, err := signedModules(b.dir, answer, same)
	if err != nil {
		return err
	}
	commands := control.NewClient(l.nc, subject.Control{Lattice: name}, 10*time.Second)
	begin := time.Now()
	for _, file := range files {
		if err := commands.ScaleActor(ctx, control.ScaleActorRequest{ActorRef: "file://" + file, HostID: host.ID, MaxInstances: 1}); err != nil {
			return err
		}
	}
	if err := until(5*time.Minute, func() error {
		time.Sleep(20 * time.Millisecond)
		inv, err := commands.Inventory(ctx, host.ID)
		if err == nil && len(inv.Actors) < thousand {
			err = fmt.Errorf("%d actors of %d\n%s", len(inv.Actors), thousand, host.log.String())
		}
		return err
	}); err != nil {
		return err
	}
	started := time.Since(begin)
	idle, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	caller := rpc.NewClient(l.nc, rpc.ClientConfig{Lattice: name, HostID: string(host.ID), Cluster: l.cluster, Timeout: 20 * time.Second})
	begin = time.Now()
	for _, id := range ids {
		out, err := caller.Call(ctx, rpc.Call{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id), Operation: httpserver.HandleRequest, Payload: []byte(payload)})
		if err != nil || string(out) != string(answer) {
			return fmt.Errorf("call actor %s: %q, %w", id, out, err)
		}
	}
	called := time.Since(begin)
	after, err := settledRSS(host.pid())
	if err != nil {
		return err
	}
	what := "code of its own each"
	if same {
		what = "the same code under keys of their own"
	}
	r.record("1,000 actors on one host (Rust-like, 1.1 MiB), "+what+", nothing compiled: start all; call each once, one after another",
		fmt.Sprintf("%s; %s", round(started), round(called)),
		fmt.Sprintf("host: %.0f MiB before, %.0f MiB started, %.0f MiB called; %.0f KiB an actor", mib(before), mib(idle), mib(after), float64(after-before)/1024/thousand))
	return nil
}

// signedModules writes 1,000 modules with keys of their own.
func signedModules(dir string, answer []byte, same bool) (ids []lattice.ActorID, files []string, err error) {
	dir, err = os.MkdirTemp(dir, "modules")
	if err != nil {
		return nil, nil, err
	}
	account, err := signing.New(signing.KindAccount)
	if err != nil {
		return nil, nil, err
	}
	code := rustlike.Module(answer)
	for n := range thousand {
		key, err := signing.New(signing.KindModule)
		if err != nil {
			return nil, nil, err
		}
		module := code
		if !same {
			module = withCustomSection(code, fmt.Sprintf("n%06d", n))
		}
		signed, err := signing.SignModule(module, account, key, signing.ActorClaims{Name: fmt.Sprintf("actor-%d", n), Caps: []string{httpserver.ID}})
		if err != nil {
			return nil, nil, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.wasm", n))
		if err := os.WriteFile(file, signed, 0o600); err != nil {
			return nil, nil, err
		}
		ids, files = append(ids, lattice.ActorID(key.Public())), append(files, file)
	}
	return ids, files, nil
}

// withCustomSection appends an empty custom section to a module; name is shorter than 126 bytes.
func withCustomSection(module []byte, name string) []byte {
	section := append([]byte{0, byte(len(name) + 1), byte(len(name))}, name...)
	return append(append([]byte{}, module...), section...)
}
