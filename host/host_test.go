package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// guests build the test actor's modules, unsigned, by version, once.
var guests = map[string]func() ([]byte, error){"1": builds("1"), "2": builds("2")}

func builds(version string) func() ([]byte, error) {
	return sync.OnceValues(func() ([]byte, error) {
		out := filepath.Join(filepath.Dir(cacheDir), version+".wasm")
		cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-tags", "weft_restore", "-ldflags",
			"-s -w -checklinkname=0 -X main.version="+version, "-o", out, "./testdata/guest")
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the test actor: %w\n%s", err, text)
		}
		return os.ReadFile(out)
	})
}

// guest is a version of the test actor, unsigned.
func guest(t testing.TB, version string) []byte {
	t.Helper()
	long.Test(t, "builds a guest with Go")
	b, err := guests[version]()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cacheDir is shared by all hosts of the tests, so that a module is compiled once.
var cacheDir string

func TestMain(m *testing.M) {
	if os.Getenv("WEFT_TEST_PROVIDER") != "" {
		os.Exit(playProvider())
	}
	code := 1
	defer func() { os.Exit(code) }()
	dir, err := os.MkdirTemp("", "weft-host-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "cache")
	if code = m.Run(); code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
}

// rig is a lattice with hosts.
type rig struct {
	t       *testing.T
	env     *latticetest.Env
	nc      *nats.Conn
	control *control.Client
	client  *rpc.Client
	account signing.KeyPair
	dir     string
}

func newRig(t *testing.T) *rig {
	env := latticetest.NATS(t)
	r := &rig{t: t, env: env, nc: env.Conn(t), account: latticetest.NewKey(t, 'A'), dir: t.TempDir()}
	r.control = control.NewClient(r.nc, subject.Control{Lattice: env.Lattice}, 5*time.Second)
	r.client = rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(t), Cluster: env.Cluster,
		Timeout: 20 * time.Second})
	return r
}

// host starts a host and stops it when the test ends.
func (r *rig) host(change func(*host.Config)) *host.Host {
	r.t.Helper()
	cfg := host.DefaultConfig()
	cfg.Lattice, cfg.Cluster, cfg.Logger = r.env.Lattice, r.env.Cluster, r.env.Logger
	cfg.HostKey = latticetest.NewKey(r.t, 'N')
	cfg.NATS = host.NATS{URL: r.env.URL}
	cfg.AllowFileLoad, cfg.CacheDir = true, cacheDir
	cfg.RPCTimeout = 20 * time.Second
	if change != nil {
		change(&cfg)
	}
	h, err := host.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	r.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			r.t.Errorf("host: %v", err)
		}
	})
	select {
	case <-h.Ready():
	case err := <-done:
		done <- nil
		r.t.Fatalf("host did not start: %v", err)
	}
	return h
}

// module signs a guest and writes it to a file; the reference is its path.
func (r *rig) module(version string, key signing.KeyPair, c signing.ActorClaims) string {
	r.t.Helper()
	signed, err := signing.SignModule(guest(r.t, version), r.account, key, c)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.file(version+"-"+key.Public()+".wasm", signed)
}

func (r *rig) file(name string, data []byte) string {
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return "file://" + path
}

// start scales an actor and waits until that has happened.
func (r *rig) start(h *host.Host, req control.ScaleActorRequest) {
	r.t.Helper()
	events := r.events(event.NameActorScaled, event.NameActorScaleFailed)
	req.HostID = h.ID()
	if err := r.control.ScaleActor(context.Background(), req); err != nil {
		r.t.Fatal(err)
	}
	if d, ok := events.next().(event.ActorScaled); !ok || d.MaxInstances != req.MaxInstances {
		r.t.Fatalf("scaling %+v gave %+v", req, d)
	}
}

// events are those of some names from now on.
type events struct {
	t   *testing.T
	sub *event.Subscription
}

func (r *rig) events(names ...string) events {
	r.t.Helper()
	sub, err := event.Subscribe(context.Background(), r.nc, r.env.Lattice, names...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(sub.Close)
	return events{r.t, sub}
}

func (e events) next() event.Data {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	ev, err := e.sub.Next(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	d, err := ev.Decode()
	if err != nil {
		e.t.Fatal(err)
	}
	return d
}

func (r *rig) call(id lattice.ActorID, op, payload string) (string, error) {
	out, err := r.client.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(id),
		Target: wire.ActorEntity(id), Operation: op, Payload: []byte(payload)})
	return string(out), err
}

func (r *rig) wantCall(id lattice.ActorID, op, payload, want string) {
	r.t.Helper()
	if got, err := r.call(id, op, payload); err != nil || got != want {
		r.t.Errorf("%s(%q) = %q, %v; want %q", op, payload, got, err, want)
	}
}

func actorID(k signing.KeyPair) lattice.ActorID { return lattice.ActorID(k.Public()) }

func TestActorLife(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { c.Labels = map[string]string{"zone": "edge"} })
	key := latticetest.NewKey(t, 'M')
	ref := r.module("1", key, signing.ActorClaims{Name: "guest", Caps: []lattice.ContractID{"wasmcloud:builtin:logging",
		"wasmcloud:builtin:numbergen"}})
	ctx := context.Background()

	hosts, err := r.control.PingHosts(ctx)
	if err != nil || len(hosts) != 1 || hosts[0].ID != h.ID() || hosts[0].Labels["zone"] != "edge" ||
		hosts[0].Labels["hostcore.os"] == "" {
		t.Fatalf("ping: %+v, %v", hosts, err)
	}
	for constraint, want := range map[string]int{"edge": 1, "cloud": 0} {
		bids, err := r.control.AuctionActor(ctx, control.ActorAuctionRequest{ActorRef: ref,
			Constraints: map[string]string{"zone": constraint}})
		if err != nil || len(bids) != want {
			t.Errorf("auction in zone %s: %+v, %v; want %d bids", constraint, bids, err, want)
		}
	}

	all := r.events()
	annotations := map[string]string{"app": "x"}
	r.start(h, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 3, Annotations: annotations,
		Config: map[string]string{"COLOUR": "red"}})
	var names []string
	for range 3 {
		names = append(names, all.next().EventName())
	}
	if got := strings.Join(names, " "); got != "actor_started actors_started actor_scaled" {
		t.Errorf("events %s", got)
	}
	id := actorID(key)
	r.wantCall(id, "Test.Echo", "hello", "hello")
	r.wantCall(id, "Test.Env", "COLOUR", "red")
	if n, err := r.call(id, "Test.Random", ""); err != nil || n < "7" || n > "9" {
		t.Errorf("random: %q, %v", n, err)
	}
	r.wantCall(id, "Test.Log", "line one", "")
	lines, err := r.control.Logs(ctx, h.ID(), id, 0)
	if err != nil || len(lines) != 1 || lines[0].Text != "line one" || lines[0].Level != "warn" {
		t.Errorf("logs: %+v, %v", lines, err)
	}
	if _, err := r.call(id, "Test.None", ""); !errors.Is(err, lattice.ErrGuest) || !strings.Contains(err.Error(),
		"Test.None") {
		t.Errorf("unknown operation: %v", err)
	}

	inv, err := r.control.Inventory(ctx, h.ID())
	if err != nil || len(inv.Actors) != 1 || inv.Actors[0].ID != id || inv.Actors[0].ImageRef != ref ||
		inv.Actors[0].Instances[0].MaxInstances != 3 || inv.Actors[0].Instances[0].Annotations["app"] != "x" {
		t.Errorf("inventory: %+v, %v", inv, err)
	}
	claims, err := r.control.Claims(ctx)
	if err != nil || len(claims) != 1 || claims[0].Subject != key.Public() || claims[0].Name != "guest" {
		t.Errorf("claims: %+v, %v", claims, err)
	}

	// A second set of annotations is a scale of its own.
	r.start(h, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 2})
	inv, _ = r.control.Inventory(ctx, h.ID())
	if len(inv.Actors) != 1 || len(inv.Actors[0].Instances) != 2 {
		t.Errorf("two scales: %+v", inv.Actors)
	}
	r.start(h, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 0})
	r.wantCall(id, "Test.Echo", "still", "still")

	stopped := r.events(event.NameActorStopped, event.NameActorsStopped)
	if err := r.control.StopActor(ctx, control.StopActorRequest{ActorID: id, HostID: h.ID(),
		Annotations: map[string]string{"app": "y"}}); !errors.Is(err, lattice.ErrNotFound) {
		t.Errorf("stop with other annotations: %v", err)
	}
	if err := r.control.StopActor(ctx, control.StopActorRequest{ActorID: id, HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	if _, ok := stopped.next().(event.ActorStopped); !ok {
		t.Error("no actor_stopped")
	}
	if d, ok := stopped.next().(event.ActorsStopped); !ok || d.Count != 3 || d.Remaining != 0 {
		t.Errorf("actors_stopped: %+v", d)
	}
	latticetest.Eventually(t, func() error {
		if _, err := r.call(id, "Test.Echo", ""); !errors.Is(err, lattice.ErrNoResponders) {
			return fmt.Errorf("a stopped actor: %v", err)
		}
		return nil
	})
	r.start(h, control.ScaleActorRequest{ActorRef: ref,
		MaxInstances: 0}) // nothing runs and nothing shall: told all the same
}

func TestRefusedModules(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	key := latticetest.NewKey(t, 'M')
	signed, err := signing.SignModule(guest(t, "1"), r.account, key, signing.ActorClaims{Name: "guest"})
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Replace(signed, []byte("Test.Echo"), []byte("Test.Evil"), 1)
	if bytes.Equal(tampered, signed) {
		t.Fatal("nothing to tamper with")
	}
	expired, err := signing.SignModule(guest(t, "1"), r.account, key, signing.ActorClaims{Name: "guest",
		Validity: signing.Validity{Expires: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ref  string
		want lattice.Code
	}{
		"unsigned":  {r.file("unsigned.wasm", guest(t, "1")), lattice.ErrUnsigned},
		"tampered":  {r.file("tampered.wasm", tampered), lattice.ErrHashMismatch},
		"expired":   {r.file("expired.wasm", expired), lattice.ErrTokenExpired},
		"no wasm":   {r.file("text.wasm", []byte("hello")), lattice.ErrBadModule},
		"missing":   {"file:///nowhere/at.all", lattice.ErrNotFound},
		"registry":  {"127.0.0.1:1/echo:1.0", lattice.ErrUnavailable},
		"bare word": {"echo", lattice.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			failures := r.events(event.NameActorStartFailed, event.NameActorsStartFailed, event.NameActorScaleFailed)
			if err := r.control.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: c.ref,
				HostID: h.ID(), MaxInstances: 1}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				d := failures.next()
				switch d := d.(type) {
				case event.ActorStartFailed:
					if d.ActorRef != c.ref || !strings.Contains(d.Error, c.want.Error()) {
						t.Errorf("%+v, want %s", d, c.want)
					}
				case event.ActorScaleFailed:
					if d.ActorRef != c.ref || d.ImageRef != c.ref {
						t.Errorf("%+v", d)
					}
				}
			}
			if inv, err := r.control.Inventory(context.Background(), h.ID()); err != nil || len(inv.Actors) != 0 {
				t.Errorf("inventory: %+v, %v", inv, err)
			}
		})
	}
	other := r.host(func(c *host.Config) { c.AllowFileLoad = false })
	failures := r.events(event.NameActorStartFailed)
	if err := r.control.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: r.file("a.wasm", signed),
		HostID: other.ID(), MaxInstances: 1}); err != nil {
		t.Fatal(err)
	}
	if d := failures.next().(event.ActorStartFailed); !strings.Contains(d.Error, "allow") {
		t.Errorf("a file where files are not allowed: %s", d.Error)
	}
}

func TestCallsBetweenActors(t *testing.T) {
	r := newRig(t)
	h1, h2 := r.host(nil), r.host(nil)
	pinger, ponger := latticetest.NewKey(t, 'M'), latticetest.NewKey(t, 'M')
	r.start(h1, control.ScaleActorRequest{ActorRef: r.module("1", pinger, signing.ActorClaims{Name: "pinger"}),
		MaxInstances: 4})
	r.start(h2, control.ScaleActorRequest{ActorRef: r.module("1", ponger, signing.ActorClaims{Name: "ponger",
		CallAlias: "weft/ponger"}), MaxInstances: 4})
	from := actorID(pinger)
	r.wantCall(from, "Test.Call", ponger.Public()+" Test.Echo by-key", "by-key")
	latticetest.Eventually(t, func() error { // the alias comes by the bucket
		got, err := r.call(from, "Test.Call", "weft/ponger Test.Echo by-alias")
		if err != nil || got != "by-alias" {
			return fmt.Errorf("%q, %w", got, err)
		}
		return nil
	})
	// Back and forth: pinger is busy with the outer call while it serves the inner one.
	r.wantCall(from, "Test.Call", ponger.Public()+" Test.Call "+pinger.Public()+" Test.Echo round", "round")
	for payload, want := range map[string]string{
		"nobody Test.Echo x": "Could not identify suitable target",
		latticetest.NewKey(t, 'M').Public() + " Test.Echo x": lattice.ErrNoResponders.Error(),
	} {
		if _, err := r.call(from, "Test.Call", payload); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("call %q: %v, want %q", payload, err, want)
		}
	}
}

func TestCapabilities(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	plain, granted := latticetest.NewKey(t, 'M'), latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", plain, signing.ActorClaims{Name: "plain"}),
		MaxInstances: 1})
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", granted, signing.ActorClaims{Name: "granted",
		Caps: []lattice.ContractID{"acme:thing"}}), MaxInstances: 1})
	for _, c := range []struct {
		who     signing.KeyPair
		op, arg string
		want    string
	}{
		{plain, "Test.Provider", "acme:thing Thing.Do", "missing capability claim"},
		{granted, "Test.Provider", "acme:thing Thing.Do", "missing link definition"},
		{plain, "Test.Random", "", "missing capability claim"},
	} {
		if _, err := r.call(actorID(c.who), c.op, c.arg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.op, c.arg, err, c.want)
		}
	}
	// A provider may only call actors that are granted its contract.
	origin := wire.ProviderEntity(r.env.ProviderID(t), "acme:thing", "default")
	for who, want := range map[signing.KeyPair]lattice.Code{plain: lattice.ErrMissingCapability, granted: 0} {
		_, err := r.client.Call(context.Background(), rpc.Call{Origin: origin, Target: wire.ActorEntity(actorID(who)),
			Operation: "Test.Echo"})
		if lattice.CodeOf(err) != want {
			t.Errorf("provider calls in: %v, want %v", err, want)
		}
	}
}

func TestUpdateLosesNothing(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	key := latticetest.NewKey(t, 'M')
	id := actorID(key)
	old := r.module("1", key, signing.ActorClaims{Name: "guest", Revision: 1})
	r.start(h, control.ScaleActorRequest{ActorRef: old, MaxInstances: 4})
	next := r.module("2", key, signing.ActorClaims{Name: "guest", Revision: 2})

	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			seen := "1"
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := r.call(id, "Test.Version", "")
				if err != nil || got < seen {
					t.Errorf("version %q after %q: %v", got, seen, err)
					return
				}
				seen = got
			}
		})
	}
	if err := r.control.UpdateActor(withTimeout(t), control.UpdateActorRequest{ActorID: id, NewActorRef: next,
		HostID: h.ID()}); err != nil {
		t.Error(err)
	}
	r.wantCall(id, "Test.Version", "", "2")
	close(stop)
	wg.Wait()

	inv, err := r.control.Inventory(context.Background(), h.ID())
	if err != nil || len(inv.Actors) != 1 || inv.Actors[0].ImageRef != next ||
		inv.Actors[0].Instances[0].Revision != 2 {
		t.Errorf("inventory: %+v, %v", inv, err)
	}
	refused := r.events(event.NameActorUpdateFailed)
	for name, c := range map[string]struct {
		req  control.UpdateActorRequest
		want string
	}{
		"older": {control.UpdateActorRequest{ActorID: id, NewActorRef: old}, "revision 1, and 2 is running"},
		"other key": {control.UpdateActorRequest{ActorID: id, NewActorRef: r.module("1", latticetest.NewKey(t, 'M'),
			signing.ActorClaims{Name: "x"})}, "another key"},
		"not there": {control.UpdateActorRequest{NewActorRef: r.module("1", latticetest.NewKey(t, 'M'),
			signing.ActorClaims{Name: "x"})}, "not running"},
	} {
		c.req.HostID = h.ID()
		if err := r.control.UpdateActor(withTimeout(t), c.req); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		// The event names what goes on serving, and what was to take its place.
		want := event.ActorUpdateFailed{PublicKey: c.req.ActorID, ImageRef: c.req.NewActorRef}
		if c.req.ActorID == id {
			want.Revision = 2
		}
		d := refused.next().(event.ActorUpdateFailed)
		if !strings.Contains(d.Reason, c.want) || (d.InstanceID == "") != (c.req.ActorID == "") {
			t.Errorf("%s: event %+v", name, d)
		}
		if d.Reason, d.InstanceID = "", ""; d != want {
			t.Errorf("%s: event %+v, want %+v", name, d, want)
		}
	}
	// Another module under the same key is no start, but an update.
	failures := r.events(event.NameActorStartFailed)
	if err := r.control.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: old, HostID: h.ID(),
		MaxInstances: 1}); err != nil {
		t.Fatal(err)
	}
	if d := failures.next().(event.ActorStartFailed); !strings.Contains(d.Error, "different image reference") {
		t.Errorf("start of another reference: %s", d.Error)
	}
}

// What a hostile or broken actor does ends with its own error, and the others go on.
func TestLimits(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { c.QueuePerActor = 1 })
	bad, good := latticetest.NewKey(t, 'M'), latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", bad, signing.ActorClaims{Name: "bad"}),
		MaxInstances: 1,
		Limits:       &control.ActorLimits{MemoryBytes: 32 << 20, ExecutionMs: 2000}})
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", good, signing.ActorClaims{Name: "good"}),
		MaxInstances: 1})
	for op, want := range map[string]lattice.Code{"Test.Spin": lattice.ErrInterrupted, "Test.Grow": lattice.ErrMemory} {
		if _, err := r.call(actorID(bad), op, ""); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", op, err, want)
		}
		r.wantCall(actorID(good), "Test.Echo", "fine", "fine")
		r.wantCall(actorID(bad), "Test.Echo", "again", "again")
	}
	// One instance and one place in the queue: of many calls at once some are turned away at once.
	var wg sync.WaitGroup
	codes := make([]lattice.Code, 8)
	for i := range codes {
		wg.Go(func() {
			_, err := r.call(actorID(good), "Test.Sleep", "300ms")
			codes[i] = lattice.CodeOf(err)
		})
	}
	wg.Wait()
	count := map[lattice.Code]int{}
	for _, c := range codes {
		count[c]++
	}
	if count[0] < 1 || count[lattice.ErrBusy] < 1 || count[0]+count[lattice.ErrBusy] != len(codes) {
		t.Errorf("outcomes %v, want some served and the others busy", count)
	}
}

// What an actor spends is counted, and an actor that may spend little is stopped; the others are not.
func TestFuel(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { c.Limits.Fuel = 1 << 40; c.HTTPAddr = "127.0.0.1:0" })
	limited, free := latticetest.NewKey(t, 'M'), latticetest.NewKey(t, 'M')
	for key, l := range map[signing.KeyPair]*control.ActorLimits{limited: {Fuel: 50_000_000}, free: nil} {
		r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "fuel"}),
			MaxInstances: 1, Limits: l})
	}
	if _, err := r.call(actorID(limited), "Test.Spin", ""); !errors.Is(err, lattice.ErrFuel) ||
		!strings.Contains(err.Error(), "50000000 units") {
		t.Errorf("beyond the limit: %v", err)
	}
	r.wantCall(actorID(limited), "Test.Echo", "again", "again")
	r.wantCall(actorID(free), "Test.Echo", "fine", "fine")
	inventory, err := r.control.Inventory(withTimeout(t), h.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range inventory.Actors {
		if want := map[lattice.ActorID]uint64{actorID(limited): 50_000_000,
			actorID(free): 1 << 40}[a.ID]; a.Limits.Fuel != want {
			t.Errorf("the inventory says %d, want %d", a.Limits.Fuel, want)
		}
	}
	for key, least := range map[signing.KeyPair]float64{limited: 50_000_000, free: 10_000} {
		var spent float64
		for line := range strings.Lines(get(t, "http://"+h.HTTPAddr()+"/metrics")) {
			if value, ok := strings.CutPrefix(line, fmt.Sprintf("weft_actor_fuel_total{actor=%q} ", key.Public())); ok {
				spent, _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
			}
		}
		if spent < least || spent > 2*least+50_000_000 {
			t.Errorf("the metric says %v", spent)
		}
	}
	err = r.control.ScaleActor(withTimeout(t), control.ScaleActorRequest{ActorRef: "x", HostID: h.ID(), MaxInstances: 1,
		Limits: &control.ActorLimits{Fuel: control.MaxFuel + 1}})
	if err == nil || !strings.Contains(err.Error(), "fuel") {
		t.Errorf("too much fuel: %v", err)
	}
}

// An actor's instances go on as they are, or begin again after every call, or after some.
func TestInstances(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	counts := func(l *control.ActorLimits) string {
		t.Helper()
		key := latticetest.NewKey(t, 'M')
		r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "counter"}),
			MaxInstances: 1, Limits: l})
		var got []string
		for range 5 {
			n, err := r.call(actorID(key), "Test.Count", "")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(n))
		}
		inventory, err := r.control.Inventory(withTimeout(t), h.ID())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range inventory.Actors {
			if a.ID == actorID(key) && l != nil && (a.Limits.Instances != l.Instances ||
				a.Limits.RecycleCalls != l.RecycleCalls) {
				t.Errorf("the inventory says %+v", a.Limits)
			}
		}
		return strings.Join(got, " ")
	}
	for want, l := range map[string]*control.ActorLimits{
		"1 2 3 4 5": nil,
		"1 1 1 1 1": {Instances: control.FreshInstances},
		"1 2 1 2 1": {RecycleCalls: 2},
	} {
		if got := counts(l); got != want {
			t.Errorf("%+v: calls saw the counts %s, want %s", l, got, want)
		}
	}
	err := r.control.ScaleActor(withTimeout(t), control.ScaleActorRequest{ActorRef: "x", HostID: h.ID(),
		MaxInstances: 1,
		Limits:       &control.ActorLimits{Instances: "stale"}})
	if err == nil || !strings.Contains(err.Error(), "want shared or fresh") {
		t.Errorf("an unknown kind of instances: %v", err)
	}
}

func withTimeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Calls of a component see nothing of each other, unless its instances are to be shared; and of one that serves a
// single call, even then. The inventory says which it is and why.
func TestInstancesOfComponents(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	code, err := os.ReadFile("internal/component/testdata/once.wasm")
	if err != nil {
		t.Fatal(err)
	}
	u32 := []byte{0x91, 0x07} // a list of one number
	for name, c := range map[string]struct {
		limits        *control.ActorLimits
		function      string
		counts        []byte
		mode, because string
	}{
		"as they are": {nil, "many", []byte{1, 1, 1}, "fresh", "it is a component"},
		"shared": {&control.ActorLimits{Instances: "shared"}, "many", []byte{1, 2, 3}, "shared",
			"as it was started"},
		"fresh": {&control.ActorLimits{Instances: "fresh"}, "many", []byte{1, 1, 1}, "fresh",
			"as it was started"},
		"shared, one call": {&control.ActorLimits{Instances: "shared"}, "once", []byte{7, 7, 7}, "fresh",
			"serves a second call"},
	} {
		t.Run(name, func(t *testing.T) {
			key := latticetest.NewKey(t, 'M')
			signed, err := signing.SignModule(code, r.account, key, signing.ActorClaims{Name: "once"})
			if err != nil {
				t.Fatal(err)
			}
			r.start(h, control.ScaleActorRequest{ActorRef: r.file(key.Public()+".wasm", signed), MaxInstances: 1,
				Limits: c.limits})
			for n, want := range c.counts {
				got, err := r.call(actorID(key), c.function, string(u32))
				if err != nil || len(got) == 0 || got[len(got)-1] != want {
					t.Errorf("call %d: %x, %v, want %d", n, got, err, want)
				}
			}
			inventory, err := r.control.Inventory(withTimeout(t), h.ID())
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range inventory.Actors {
				if a.ID == actorID(key) && (a.InstanceMode != c.mode ||
					!strings.Contains(a.InstanceReason, c.because)) {
					t.Errorf("the inventory says %s: %s", a.InstanceMode, a.InstanceReason)
				}
			}
		})
	}
}
