package host_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// playProvider is a provider without any SDK: it reads host data and answers health, shutdown and one operation.
func playProvider() int {
	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	if err != nil {
		return 3
	}
	data, err := wire.DecodeHostData(line)
	if err != nil {
		return 4
	}
	nc, err := nats.Connect(data.LatticeRPCURL)
	if err != nil {
		return 5
	}
	l, id, link := data.LatticeRPCPrefix, data.ProviderKey, data.LinkName
	done := make(chan struct{})
	_, _ = nc.Subscribe(subject.Health(l, id, link),
		func(m *nats.Msg) { _ = m.Respond(wire.Health{Healthy: true}.Encode()) })
	_, _ = nc.Subscribe(subject.Shutdown(l, id, link), func(m *nats.Msg) {
		if strings.Contains(string(m.Data), string(data.HostID)) {
			_ = m.Respond([]byte("shutting down"))
			close(done)
		}
	})
	_, _ = nc.Subscribe(subject.ProviderMetrics(l, id, link, data.HostID), func(m *nats.Msg) {
		_ = m.Respond([]byte("# TYPE weft_thing_total counter\nweft_thing_total{provider=\"thing\"} 7\n"))
	})
	var mu sync.Mutex
	links := map[string]wire.LinkDefinition{}
	for _, def := range data.LinkDefinitions {
		links[string(def.ActorID)] = def
	}
	_, _ = nc.Subscribe(subject.LinkPut(l, id, link), func(m *nats.Msg) {
		if def, err := wire.DecodeLinkDefinition(m.Data); err == nil {
			mu.Lock()
			defer mu.Unlock()
			links[string(def.ActorID)] = def
		}
	})
	_, _ = nc.Subscribe(subject.LinkDel(l, id, link), func(m *nats.Msg) {
		if def, err := wire.DecodeLinkDefinition(m.Data); err == nil {
			mu.Lock()
			defer mu.Unlock()
			delete(links, string(def.ActorID))
		}
	})
	_, _ = nc.Subscribe(subject.LinkStates(l, id, link), func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		states := []wire.LinkState{}
		for actor := range links {
			states = append(states, wire.LinkState{ActorID: lattice.ActorID(actor), State: wire.LinkActive,
				HostID: data.HostID})
		}
		b, _ := json.Marshal(states)
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{wire.HeaderHost: {string(data.HostID)}}, Data: b})
	})
	_, _ = nc.QueueSubscribe(subject.Provider(l, id, link), subject.ProviderQueue, func(m *nats.Msg) {
		inv, err := wire.DecodeInvocation(m.Data)
		if err != nil {
			return
		}
		if inv.Operation == "Thing.Confuse" { // as if it had missed a put and a del
			mu.Lock()
			links = map[string]wire.LinkDefinition{"somebody": {}}
			mu.Unlock()
		}
		_ = m.Respond((&wire.Response{InvocationID: inv.ID, Msg: []byte(fmt.Sprint(len(data.LinkDefinitions))),
			ContentLength: 1}).Encode())
	})
	if nc.Flush() != nil {
		return 6
	}
	fmt.Println("weft:ready")
	<-done
	_ = nc.Flush()
	return 0
}

func withProvider(c *host.Config) {
	c.Builtins = map[string]host.Builtin{"thing": {ID: lattice.ProviderID(signing.Derive('V',
		"weft test thing").Public()), Name: "thing",
		ContractID: "acme:thing", Version: "1.0.0", Revision: 1, Path: "/usr/bin/env",
		Args: []string{"WEFT_TEST_PROVIDER=1", os.Args[0]}}}
}

func TestProviderLife(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { withProvider(c); c.HTTPAddr = "127.0.0.1:0" })
	ctx := context.Background()
	key := latticetest.NewKey(t, 'M')
	id := actorID(key)
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "guest",
		Caps: []lattice.ContractID{"acme:thing"}}), MaxInstances: 2})

	ev := r.events(event.NameProviderStarted, event.NameProviderStopped, event.NameProviderStartFailed,
		event.NameHealthCheckPassed)
	bids, err := r.control.AuctionProvider(ctx, control.ProviderAuctionRequest{ProviderRef: "thing",
		LinkName: "default"})
	if err != nil || len(bids) != 1 {
		t.Fatalf("auction: %+v, %v", bids, err)
	}
	req := control.StartProviderRequest{ProviderRef: "thing", LinkName: "default", HostID: h.ID(),
		Annotations: map[string]string{"a": "b"}}
	if err := r.control.StartProvider(ctx, req); err != nil {
		t.Fatal(err)
	}
	started, ok := ev.next().(event.ProviderStarted)
	if !ok || started.ImageRef != "thing" || started.ContractID != "acme:thing" || started.Annotations["a"] != "b" {
		t.Fatalf("provider_started: %+v", started)
	}
	if d, ok := ev.next().(event.HealthCheckPassed); !ok || d.PublicKey != started.PublicKey {
		t.Errorf("health: %+v", d)
	}
	if err := r.control.StartProvider(ctx, req); !errors.Is(err, lattice.ErrConflict) {
		t.Errorf("second start: %v", err)
	}
	if _, ok := ev.next().(event.ProviderStartFailed); !ok {
		t.Error("no provider_start_failed for the second start")
	}

	link := wire.LinkDefinition{ActorID: id, ProviderID: started.PublicKey, LinkName: "default",
		ContractID: "acme:thing", Values: map[string]string{"k": "v"}}
	if err := r.control.PutLink(ctx, link); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error {
		got, err := r.call(id, "Test.Provider", "acme:thing Thing.Do")
		if err == nil && got != "0" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})

	// Killed: stopped, started again, with its links.
	pid := r.provider(h).PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if d, ok := ev.next().(event.ProviderStopped); !ok || !strings.Contains(d.Reason, "killed") {
		t.Errorf("provider_stopped: %+v", d)
	}
	if _, ok := ev.next().(event.ProviderStarted); !ok {
		t.Error("not started again")
	}
	r.wantCall(id, "Test.Provider", "acme:thing Thing.Do", "1") // the new process had the link in its host data
	if p := r.provider(h); p.Restarts != 1 || p.PID == pid || p.State != control.StateRunning {
		t.Errorf("after a restart: %+v", p)
	}
	metrics := get(t, "http://"+h.HTTPAddr()+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(metrics)); err != nil {
		t.Errorf("metrics: %v", err)
	}
	for _, want := range []string{"weft_provider_restarts_total{",
		`weft_thing_total{link="default",provider="thing"} 7`, `weft_provider_up{contract="acme:thing"`,
		`weft_host_calls_total{actor="` + string(id), "weft_guest_memory_bytes{",
		"weft_invocation_duration_seconds_bucket{"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if got := get(t, "http://"+h.HTTPAddr()+"/readyz"); got != "ready\n" {
		t.Errorf("readyz: %q", got)
	}

	if err := r.control.StopProvider(ctx, control.StopProviderRequest{ProviderID: started.PublicKey,
		LinkName: "default", ContractID: "acme:thing", HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	for {
		if d, ok := ev.next().(event.ProviderStopped); ok {
			if d.Reason != "stop" {
				t.Errorf("reason %q", d.Reason)
			}
			break
		}
	}
}

func (r *rig) provider(h *host.Host) control.Provider {
	r.t.Helper()
	inv, err := r.control.Inventory(context.Background(), h.ID())
	if err != nil || len(inv.Providers) != 1 {
		r.t.Fatalf("inventory: %+v, %v", inv, err)
	}
	return inv.Providers[0]
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A host that comes late knows links and claims; two hosts both bid; labels change; a drained host takes nothing.
func TestLateHostAndDrain(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	h1 := r.host(func(c *host.Config) { c.HTTPAddr = "127.0.0.1:0" })
	key := latticetest.NewKey(t, 'M')
	ref := r.module("1", key, signing.ActorClaims{Name: "guest"})
	r.start(h1, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 1})
	link := wire.LinkDefinition{ActorID: lattice.ActorID(key.Public()), ProviderID: r.env.ProviderID(t),
		LinkName: "default", ContractID: "acme:thing", Values: map[string]string{}}
	set := r.events(event.NameLinkSet, event.NameLinkDeleted)
	if err := r.control.PutLink(ctx, link); err != nil {
		t.Fatal(err)
	}
	if d, ok := set.next().(event.LinkSet); !ok || d.ID != link.ID() || d.ActorID != link.ActorID {
		t.Errorf("linkdef_set: %+v", d)
	}

	beat, err := r.nc.SubscribeSync(subject.BeatAll(r.env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	gone := r.events(event.NameHostStopped)
	if other := r.host(func(c *host.Config) {
		c.HTTPAddr, c.HTTPAnyPort = h1.HTTPAddr(),
			true
	}); other.HTTPAddr() == h1.HTTPAddr() {
		t.Errorf("two hosts listen on %s", h1.HTTPAddr())
	} else if err := r.control.StopHost(ctx, control.StopHostRequest{HostID: other.ID()}); err != nil {
		t.Fatal(err)
	}
	gone.next() // the next one is the other host's
	h2 := r.host(func(c *host.Config) { c.Heartbeat = 200 * time.Millisecond; c.Beat = 50 * time.Millisecond })
	m, err := beat.NextMsg(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := wire.DecodeBeat(m.Data); err != nil || b.Sequence == 0 {
		t.Errorf("beat: %+v, %v", b, err)
	}
	// Stop the first, so that the second answers alone.
	stopped := r.events(event.NameHostStopped, event.NameActorsStopped)
	if err := r.control.StopHost(ctx, control.StopHostRequest{HostID: h1.ID()}); err != nil {
		t.Fatal(err)
	}
	if _, ok := stopped.next().(event.ActorsStopped); !ok {
		t.Error("a stopping host did not tell of its actors")
	}
	if _, ok := stopped.next().(event.HostStopped); !ok {
		t.Error("no host_stopped")
	}
	links, err := r.control.Links(ctx)
	if err != nil || len(links) != 1 || !links[0].Equal(link) {
		t.Errorf("links on the late host: %+v, %v", links, err)
	}
	claims, err := r.control.Claims(ctx)
	if err != nil || len(claims) != 1 || claims[0].Name != "guest" {
		t.Errorf("claims on the late host: %+v, %v", claims, err)
	}

	if err := r.control.PutLabel(ctx, h2.ID(), "zone", "edge"); err != nil {
		t.Fatal(err)
	}
	if err := r.control.PutLabel(ctx, h2.ID(), "hostcore.os", "plan9"); !errors.Is(err, lattice.ErrDenied) {
		t.Errorf("a label of the machine: %v", err)
	}
	auction := func() int {
		bids, err := r.control.AuctionActor(ctx, control.ActorAuctionRequest{ActorRef: ref,
			Constraints: map[string]string{"zone": "edge"}})
		if err != nil {
			t.Fatal(err)
		}
		return len(bids)
	}
	if n := auction(); n != 1 {
		t.Errorf("%d bids after labelling", n)
	}
	beats := r.events(event.NameHostHeartbeat)
	if d, ok := beats.next().(event.HostHeartbeat); !ok || d.HostID != h2.ID() || d.Labels["zone"] != "edge" {
		t.Errorf("heartbeat: %+v", d)
	}
	if err := r.control.DrainHost(ctx, control.StopHostRequest{HostID: h2.ID()}); err != nil {
		t.Fatal(err)
	}
	if n := auction(); n != 0 {
		t.Errorf("%d bids from a drained host", n)
	}
	if err := r.control.ScaleActor(ctx, control.ScaleActorRequest{ActorRef: ref, HostID: h2.ID(),
		MaxInstances: 1}); !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("start on a drained host: %v", err)
	}
	if err := r.control.DelLink(ctx, control.RemoveLinkRequest{ActorID: link.ActorID, ContractID: link.ContractID,
		LinkName: "default"}); err != nil {
		t.Fatal(err)
	}
	for {
		if d, ok := set.next().(event.LinkDeleted); ok {
			if d.ID != link.ID() {
				t.Errorf("linkdef_deleted: %+v", d)
			}
			return
		}
	}
}

// When NATS goes away and comes back everything goes on.
func TestReconnect(t *testing.T) {
	r := newRig(t)
	h := r.host(nil)
	key := latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "guest"}),
		MaxInstances: 1})
	r.env.Stop(t)
	r.env.Start(t)
	latticetest.Eventually(t, func() error {
		got, err := r.call(actorID(key), "Test.Echo", "back")
		if err == nil && got != "back" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	})
}

// A provider that has missed link messages while it was cut off is told what it lacks and what it has too much.
func TestRelink(t *testing.T) {
	r := newRig(t)
	h := r.host(withProvider)
	key := latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "guest",
		Caps: []lattice.ContractID{"acme:thing"}}), MaxInstances: 1})
	ev := r.events(event.NameProviderStarted)
	if err := r.control.StartProvider(context.Background(), control.StartProviderRequest{ProviderRef: "thing",
		LinkName: "default", HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	id := ev.next().(event.ProviderStarted).PublicKey
	link := wire.LinkDefinition{ActorID: lattice.ActorID(key.Public()), ProviderID: id, LinkName: "default",
		ContractID: "acme:thing", Values: map[string]string{}}
	if err := r.control.PutLink(context.Background(), link); err != nil {
		t.Fatal(err)
	}
	links := func() string {
		reply, err := r.nc.Request(subject.LinkStates(r.env.Lattice, id, "default"), nil, time.Second)
		if err != nil {
			return err.Error()
		}
		var states []wire.LinkState
		if err := json.Unmarshal(reply.Data, &states); err != nil {
			return err.Error()
		}
		var actors []string
		for _, s := range states {
			actors = append(actors, string(s.ActorID))
		}
		return strings.Join(actors, " ")
	}
	want := func(what string) {
		t.Helper()
		latticetest.Eventually(t, func() error {
			if got := links(); got != what {
				return fmt.Errorf("links of %q, want %q", got, what)
			}
			return nil
		})
	}
	want(key.Public())
	latticetest.Eventually(t, func() error { // the host has to know the link, too
		_, err := r.call(actorID(key), "Test.Provider", "acme:thing Thing.Confuse")
		return err
	})
	want("somebody")
	r.env.Stop(t)
	r.env.Start(t)
	want(key.Public())
}

func TestConfigProblemsTogether(t *testing.T) {
	_, err := host.New(host.Config{Lattice: "a.b", Labels: map[string]string{"hostcore.os": "x"}})
	for _, want := range []string{"lattice name", "HostKey", "Cluster", "Logger", "hostcore.os", "Limits.MemoryBytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %s: %v", want, err)
		}
	}
}
