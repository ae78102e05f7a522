package controlserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	testActor    = "M" + testKey
	testProvider = "V" + testKey
	testKey      = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

// fakeHost records what it is told. It stands in for package host, which is tested with the same client.
type fakeHost struct {
	id  lattice.HostID
	bid bool

	mu    sync.Mutex
	calls []string // guarded by mu
	err   error    // returned by commands. guarded by mu
	block func(context.Context, string)
	trace trace.Context
}

func (h *fakeHost) called(ctx context.Context, format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	if h.block != nil {
		h.block(ctx, call)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, call)
	h.trace, _ = trace.From(ctx)
	return h.err
}

func (h *fakeHost) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.calls) == 0 {
		return ""
	}
	return h.calls[len(h.calls)-1]
}

func (h *fakeHost) Host(context.Context) (control.Host, error) {
	return control.Host{ID: h.id, Version: "0.82.0"}, nil
}
func (h *fakeHost) Inventory(context.Context) (control.HostInventory, error) {
	return control.HostInventory{HostID: h.id}, nil
}
func (h *fakeHost) Claims(context.Context) ([]control.Claims, error) {
	return []control.Claims{{Subject: testActor, Name: "a"}, {Subject: testProvider, Name: "p"}}, nil
}
func (h *fakeHost) Links(context.Context) ([]wire.LinkDefinition, error) {
	return []wire.LinkDefinition{{ActorID: testActor, ProviderID: testProvider, ContractID: "c", LinkName: "l"}}, nil
}
func (h *fakeHost) Logs(_ context.Context, r control.LogsRequest) ([]control.LogLine, error) {
	return []control.LogLine{{ActorID: r.ActorID, Text: fmt.Sprint(r.Lines)}}, nil
}
func (h *fakeHost) Failures(_ context.Context, r control.FailuresRequest) (control.FailuresReply, error) {
	f := wire.Failure{Seq: r.After + 1, ActorID: r.ActorID, TraceID: r.TraceID, Code: lattice.ErrTrap.Name(),
		Message: fmt.Sprint(r.MaxAgeMs)}
	return control.FailuresReply{Failures: []wire.Failure{f}, Last: f.Seq}, nil
}
func (h *fakeHost) Lost(context.Context) ([]control.LostHost, error) {
	return []control.LostHost{{HostID: "Nlost", FriendlyName: "gone", Labels: map[string]string{"zone": "a"},
		LastHeard: time.Unix(9, 0).UTC(), UptimeSeconds: 5,
		Actors:    []control.LostActor{{ID: testActor, Name: "app", MaxInstances: 3}},
		Providers: []control.LostProvider{{ID: testProvider, Name: "p", ContractID: "c", LinkName: "l"}}}}, nil
}
func (h *fakeHost) BidActor(context.Context, control.ActorAuctionRequest) bool       { return h.bid }
func (h *fakeHost) BidProvider(context.Context, control.ProviderAuctionRequest) bool { return h.bid }
func (h *fakeHost) PutLink(ctx context.Context, l wire.LinkDefinition) error {
	return h.called(ctx, "put link %s %v", l.LinkName, l.Values)
}
func (h *fakeHost) DelLink(ctx context.Context, r control.RemoveLinkRequest) error {
	return h.called(ctx, "del link %s", r.LinkName)
}
func (h *fakeHost) StartActor(ctx context.Context, r control.StartActorRequest) error {
	return h.called(ctx, "start %s %d", r.ActorRef, r.Count)
}
func (h *fakeHost) ScaleActor(ctx context.Context, r control.ScaleActorRequest) error {
	return h.called(ctx, "scale %s %d", r.ActorRef, r.MaxInstances)
}
func (h *fakeHost) StopActor(ctx context.Context, r control.StopActorRequest) error {
	return h.called(ctx, "stop actor")
}
func (h *fakeHost) UpdateActor(ctx context.Context, r control.UpdateActorRequest) error {
	return h.called(ctx, "update %s", r.NewActorRef)
}
func (h *fakeHost) StartProvider(ctx context.Context, r control.StartProviderRequest) error {
	return h.called(ctx, "start provider %s %s", r.ProviderRef, r.LinkName)
}
func (h *fakeHost) StopProvider(ctx context.Context, r control.StopProviderRequest) error {
	return h.called(ctx, "stop provider %s", r.LinkName)
}
func (h *fakeHost) StopHost(ctx context.Context, r control.StopHostRequest) error {
	return h.called(ctx, "stop host %d", r.TimeoutMs)
}
func (h *fakeHost) DrainHost(ctx context.Context, r control.StopHostRequest) error {
	return h.called(ctx, "drain host %d", r.TimeoutMs)
}
func (h *fakeHost) Reload(ctx context.Context) (control.Reloaded, error) {
	return control.Reloaded{Accepted: true, Issuer: "C", Changed: []string{"all"}}, h.called(ctx, "reload")
}
func (h *fakeHost) PutLabel(ctx context.Context, r control.LabelRequest) error {
	return h.called(ctx, "label %s=%s", r.Key, r.Value)
}
func (h *fakeHost) DelLabel(ctx context.Context, r control.LabelRequest) error {
	return h.called(ctx, "unlabel %s", r.Key)
}
func (h *fakeHost) PutRegistries(ctx context.Context, r control.RegistryCredentials) error {
	return h.called(ctx, "registries %d", len(r))
}

type bench struct {
	env     *latticetest.Env
	control subject.Control
	client  *control.Client
	nc      *nats.Conn
}

func newBench(t *testing.T) *bench {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	c := subject.Control{Lattice: env.Lattice}
	return &bench{env, c, control.NewClient(nc, c, time.Second), nc}
}

func (b *bench) host(t *testing.T, h *fakeHost) *Server {
	t.Helper()
	h.id = b.env.HostID(t)
	nc := b.env.Conn(t)
	d := rpc.NewDirectory(nc, b.control.Lattice, b.env.Logger)
	t.Cleanup(d.Close)
	s := New(nc, Config{Control: b.control, HostID: h.id, Handler: h, Logger: b.env.Logger, Late: d.Late})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestEveryCommandArrives(t *testing.T) {
	b := newBench(t)
	h := &fakeHost{}
	b.host(t, h)
	ctx, id := t.Context(), h.id
	actor, provider := testActor, testProvider
	for _, tc := range []struct {
		want string
		do   func() error
	}{
		{"start r 2", func() error {
			return b.client.StartActor(ctx, control.StartActorRequest{ActorRef: "r", HostID: id,
				Count: 2})
		}},
		{"scale r 0", func() error {
			return b.client.ScaleActor(ctx, control.ScaleActorRequest{ActorRef: "r", HostID: id})
		}},
		{"stop actor", func() error {
			return b.client.StopActor(ctx, control.StopActorRequest{ActorID: lattice.ActorID(actor), HostID: id})
		}},
		{"update n", func() error {
			return b.client.UpdateActor(ctx, control.UpdateActorRequest{ActorID: lattice.ActorID(actor),
				NewActorRef: "n",
				HostID:      id})
		}},
		{"start provider r default", func() error {
			return b.client.StartProvider(ctx, control.StartProviderRequest{ProviderRef: "r", HostID: id})
		}},
		{"stop provider l", func() error {
			return b.client.StopProvider(ctx, control.StopProviderRequest{ProviderID: lattice.ProviderID(provider),
				LinkName: "l", HostID: id})
		}},
		{"stop host 5", func() error {
			return b.client.StopHost(ctx, control.StopHostRequest{HostID: id, TimeoutMs: 5})
		}},
		{"reload", func() error {
			r, err := b.client.ReloadHost(ctx, id)
			if err == nil && (r.Issuer != "C" || len(r.Changed) != 1) {
				t.Errorf("reloaded %+v", r)
			}
			return err
		}},
		{"drain host 0", func() error { return b.client.DrainHost(ctx, control.StopHostRequest{HostID: id}) }},
		{"label k=v", func() error { return b.client.PutLabel(ctx, id, "k", "v") }},
		{"unlabel k", func() error { return b.client.DelLabel(ctx, id, "k") }},
		{"put link l map[k:v]", func() error {
			return b.client.PutLink(ctx, wire.LinkDefinition{ActorID: testActor, ProviderID: testProvider,
				ContractID: "c",
				LinkName:   "l", Values: map[string]string{"k": "v"}})
		}},
		{"del link l", func() error {
			return b.client.DelLink(ctx, control.RemoveLinkRequest{ActorID: lattice.ActorID(actor), ContractID: "c",
				LinkName: "l"})
		}},
		{"registries 1", func() error {
			return b.client.PutRegistries(ctx,
				control.RegistryCredentials{"r": {RegistryType: "oci"}})
		}},
	} {
		t.Run(tc.want, func(t *testing.T) {
			if err := tc.do(); err != nil || h.last() != tc.want {
				t.Fatalf("got %q, %v", h.last(), err)
			}
		})
	}
}

func TestQueries(t *testing.T) {
	b := newBench(t)
	hosts := []*fakeHost{{bid: true}, {bid: true}, {}}
	for _, h := range hosts {
		b.host(t, h)
	}
	ctx := t.Context()
	pinged, err := b.client.PingHosts(ctx)
	if err != nil || len(pinged) != 3 {
		t.Fatalf("got %v, %v", pinged, err)
	}
	invs, err := b.client.Inventories(ctx)
	if err != nil || len(invs) != 3 {
		t.Fatalf("got %v, %v", invs, err)
	}
	inv, err := b.client.Inventory(ctx, hosts[1].id)
	if err != nil || inv.HostID != hosts[1].id {
		t.Fatalf("got %v, %v", inv, err)
	}
	claims, err := b.client.Claims(ctx)
	if err != nil || len(claims) != 2 || !claims[1].IsProvider() {
		t.Fatalf("got %v, %v", claims, err)
	}
	links, err := b.client.Links(ctx)
	if err != nil || len(links) != 1 || links[0].ProviderID != testProvider {
		t.Fatalf("got %v, %v", links, err)
	}
	lines, err := b.client.Logs(ctx, hosts[0].id, testActor, 7)
	if err != nil || len(lines) != 1 || lines[0].Text != "7" || string(lines[0].ActorID) != testActor {
		t.Fatalf("got %v, %v", lines, err)
	}
	failed, err := b.client.Failures(ctx, hosts[0].id,
		control.FailuresRequest{ActorID: testActor, TraceID: "t", MaxAgeMs: 9,
			After: 4})
	if want := (wire.Failure{Seq: 5, ActorID: testActor, TraceID: "t", Code: "trap", Message: "9"}); err != nil ||
		failed.Last != 5 || len(failed.Failures) != 1 || failed.Failures[0] != want {
		t.Fatalf("got %+v, %v", failed, err)
	}
	lost, err := b.client.Lost(ctx, hosts[0].id)
	if want, _ := hosts[0].Lost(ctx); err != nil || !reflect.DeepEqual(lost, want) {
		t.Fatalf("got %+v, %v", lost, err)
	}
	bids, err := b.client.AuctionActor(ctx, control.ActorAuctionRequest{ActorRef: "r"})
	if err != nil || len(bids) != 2 || bids[0].ActorRef != "r" {
		t.Fatalf("got %v, %v", bids, err)
	}
	pbids, err := b.client.AuctionProvider(ctx, control.ProviderAuctionRequest{ProviderRef: "r"})
	if err != nil || len(pbids) != 2 || pbids[0].LinkName != lattice.DefaultLink {
		t.Fatalf("got %v, %v", pbids, err)
	}
}

func TestPingStopsWhenItIsQuiet(t *testing.T) {
	b := newBench(t)
	b.host(t, &fakeHost{})
	patient := control.NewClient(b.nc, b.control, time.Minute)
	start := time.Now()
	if hosts, err := patient.PingHosts(t.Context()); err != nil || len(hosts) != 1 ||
		time.Since(start) > 30*time.Second {
		t.Fatalf("got %v, %v after %v", hosts, err, time.Since(start))
	}
}

func TestNobodyThere(t *testing.T) {
	b := newBench(t)
	id := b.env.HostID(t)
	_, err := b.client.Inventory(t.Context(), id)
	if !errors.Is(err, lattice.ErrNoResponders) || !strings.Contains(err.Error(), string(b.env.Lattice)) ||
		!strings.Contains(err.Error(), b.control.Inventory(id)) || !strings.Contains(err.Error(), "weft host list") {
		t.Fatalf("got %v", err)
	}
	if _, err := b.client.AuctionActor(t.Context(), control.ActorAuctionRequest{ActorRef: "r"}); !errors.Is(err,
		lattice.ErrNoResponders) {
		t.Fatalf("got %v", err)
	}
	if hosts, err := b.client.PingHosts(t.Context()); err != nil || len(hosts) != 0 {
		t.Fatalf("got %v, %v", hosts, err)
	}
	if err := b.client.StopHost(t.Context(), control.StopHostRequest{HostID: "x.>"}); !errors.Is(err,
		lattice.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
}

func TestTimeoutAndCancel(t *testing.T) {
	b := newBench(t)
	id := b.env.HostID(t)
	if _, err := b.nc.Subscribe(b.control.Inventory(id), func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	hasty := control.NewClient(b.nc, b.control, 30*time.Millisecond)
	if _, err := hasty.Inventory(t.Context(), id); !errors.Is(err, lattice.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.client.Inventory(ctx, id); !errors.Is(err, lattice.ErrCanceled) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.client.PingHosts(ctx); !errors.Is(err, lattice.ErrCanceled) {
		t.Fatalf("got %v", err)
	}
}

func TestRefusalCarriesWordsAndCode(t *testing.T) {
	b := newBench(t)
	h := &fakeHost{err: &lattice.Error{Code: lattice.ErrNotFound, Detail: `no "such" thing`}}
	b.host(t, h)
	err := b.client.ScaleActor(t.Context(), control.ScaleActorRequest{ActorRef: "r", HostID: h.id})
	if !errors.Is(err, lattice.ErrNotFound) || err.Error() != `scale actor r: not found: no "such" thing` {
		t.Fatalf("got %v", err)
	}
	// Another host sends no code.
	id := b.env.HostID(t)
	if _, err := b.nc.Subscribe(b.control.Command(id, "scale"), func(m *nats.Msg) {
		_ = m.Respond([]byte(`{"accepted":false,"error":"my words"}`))
	}); err != nil {
		t.Fatal(err)
	}
	err = b.client.ScaleActor(t.Context(), control.ScaleActorRequest{ActorRef: "r", HostID: id})
	if !errors.Is(err, lattice.ErrGuest) || err.Error() != "scale actor r: my words" {
		t.Fatalf("got %v", err)
	}
}

func TestMalformedAndUnknownRequests(t *testing.T) {
	b := newBench(t)
	h := &fakeHost{}
	b.host(t, h)
	for _, tc := range []struct{ subject, body, want string }{
		{b.control.Command(h.id, "scale"), `{"actor_ref":`, "malformed JSON"},
		{b.control.Command(h.id, "scale"), `{"actor_ref":"r"}`, "count is missing"},
		{b.control.Command(h.id, "dance"), `{}`, "unsupported subject"},
		{b.control.LinkPut(), `{}`, "actor_id is missing"},
		{b.control.LabelPut(h.id), `{}`, "key is missing"},
		{b.control.GetClaims() + "x", ``, "unsupported subject"},
		{strings.Replace(b.control.GetClaims(), "get.claims", "config.put.a.b", 1), ``,
			"unsupported subject: hosts keep no configuration"},
		{strings.Replace(b.control.GetClaims(), "get.claims", "get.config.a.b", 1), ``,
			"unsupported subject: hosts keep no configuration"},
		{b.control.Logs(h.id, "Mx"), ``, "actor id"},
		{b.control.Failures(h.id), `{"actor_id":"Mx"}`, "actor_id"},
	} {
		t.Run(tc.subject+tc.want, func(t *testing.T) {
			m, err := b.nc.Request(tc.subject, []byte(tc.body), time.Second)
			if err != nil {
				t.Fatal(err)
			}
			var a control.Ack
			if err := json.Unmarshal(m.Data, &a); err != nil || a.Accepted || !strings.Contains(a.Error, tc.want) {
				t.Fatalf("got %s, %v", m.Data, err)
			}
		})
	}
	if h.last() != "" {
		t.Fatalf("the host was asked to %s", h.last())
	}
}

func TestOneHostOfManyStoresALink(t *testing.T) {
	b := newBench(t)
	hosts := []*fakeHost{{}, {}, {}}
	for _, h := range hosts {
		b.host(t, h)
	}
	const n = 20
	for range n {
		if err := b.client.PutLink(t.Context(), wire.LinkDefinition{ActorID: testActor, ProviderID: testProvider,
			ContractID: "c", LinkName: "l"}); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for _, h := range hosts {
		h.mu.Lock()
		total += len(h.calls)
		h.mu.Unlock()
	}
	if total != n {
		t.Fatalf("%d links were stored %d times", n, total)
	}
}

func TestTraceTravels(t *testing.T) {
	b := newBench(t)
	h := &fakeHost{}
	b.host(t, h)
	tc := trace.New()
	if err := b.client.DelLabel(trace.With(t.Context(), tc), h.id, "k"); err != nil || h.trace.TraceID != tc.TraceID {
		t.Fatalf("got %v, %v", h.trace, err)
	}
}

func TestSlowCommandsHoldUpNobodyElse(t *testing.T) {
	b := newBench(t)
	release := make(chan struct{})
	entered := make(chan string, 100)
	h := &fakeHost{block: func(ctx context.Context, call string) {
		entered <- call
		if strings.HasPrefix(call, "scale slow") {
			<-release
		}
	}}
	b.host(t, h)
	ctx := t.Context()
	slow := make(chan error, 2)
	scale := func(ref string, n uint32) error {
		return b.client.ScaleActor(ctx, control.ScaleActorRequest{ActorRef: ref, MaxInstances: n, HostID: h.id})
	}
	go func() { slow <- scale("slow", 1) }()
	if got := <-entered; got != "scale slow 1" {
		t.Fatal(got)
	}
	go func() { slow <- scale("slow", 2) }()
	if err := scale("quick", 3); err != nil { // another actor
		t.Fatal(err)
	}
	if got := <-entered; got != "scale quick 3" { // and not the second one of the slow actor
		t.Fatal(got)
	}
	if _, err := b.client.Inventory(ctx, h.id); err != nil { // a query
		t.Fatal(err)
	}
	close(release)
	for range 2 {
		if err := <-slow; err != nil {
			t.Fatal(err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.calls, []string{"scale quick 3", "scale slow 1", "scale slow 2"}) {
		t.Fatalf("got %v", h.calls)
	}
}

// A command waits behind a slow one until its client has given up. Its client was told that it failed, and it does not
// happen later.
func TestACommandWhoseClientHasGivenUpIsNotBegun(t *testing.T) {
	latticetest.NeedsClock(t)
	b := newBench(t)
	release, entered := make(chan struct{}), make(chan struct{}, 3)
	h := &fakeHost{block: func(context.Context, string) {
		entered <- struct{}{}
		<-release
	}}
	b.host(t, h)
	patient := control.NewClient(b.nc, b.control, time.Minute)
	scale := func(c *control.Client, n uint32) error {
		return c.ScaleActor(t.Context(), control.ScaleActorRequest{ActorRef: "slow", MaxInstances: n, HostID: h.id})
	}
	first := make(chan error, 1)
	go func() { first <- scale(patient, 1) }()
	<-entered
	if err := scale(control.NewClient(b.nc, b.control, 50*time.Millisecond),
		2); lattice.CodeOf(err) != lattice.ErrTimeout {
		t.Errorf("a command that waits for longer than its client: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := scale(patient, 3); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if want := []string{"scale slow 1", "scale slow 3"}; !slices.Equal(h.calls, want) {
		t.Errorf("carried out were %v, want %v", h.calls, want)
	}
}

func TestCloseFinishesAcceptedWork(t *testing.T) {
	b := newBench(t)
	entered, release := make(chan struct{}), make(chan struct{})
	h := &fakeHost{block: func(context.Context, string) { close(entered); <-release }}
	s := b.host(t, h)
	reply := make(chan error, 1)
	go func() { reply <- b.client.PutLabel(t.Context(), h.id, "k", "v") }()
	<-entered
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	latticetest.Eventually(t, func() error { // no longer serves
		if _, err := b.client.Inventory(t.Context(), h.id); !errors.Is(err, lattice.ErrNoResponders) {
			return fmt.Errorf("still answers: %v", err)
		}
		return nil
	})
	close(release)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := <-reply; err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsHandlersWithItsContext(t *testing.T) {
	b := newBench(t)
	entered := make(chan struct{})
	h := &fakeHost{block: func(ctx context.Context, _ string) { close(entered); <-ctx.Done() }}
	s := b.host(t, h)
	if err := b.nc.PublishRequest(b.control.LabelPut(h.id), b.nc.NewInbox(), []byte(`{"key":"k"}`)); err != nil {
		t.Fatal(err)
	}
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, lattice.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
}

func TestFollowLogs(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	publish := func() {
		for _, body := range []string{`garbage`, `{"text":"hello","level":"info","time":"2024-01-02T03:04:05Z"}`} {
			if err := b.nc.Publish(subject.Log(b.env.Lattice, testActor), []byte(body)); err != nil {
				t.Error(err)
			}
		}
	}
	var got control.LogLine
	err := b.client.FollowLogs(ctx, testActor, publish, func(l control.LogLine) { got = l; cancel() },
		func(n int) { t.Errorf("%d lines lost", n) })
	if err != nil || got.Text != "hello" || got.Time.Year() != 2024 {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestLaneHammer(t *testing.T) {
	const keys, each, concurrent = 8, 200, 4
	l := newLane(concurrent, keys*each)
	var mu sync.Mutex
	order := make(map[string][]int)
	running, most := 0, 0
	var wg sync.WaitGroup
	for k := range keys {
		key := fmt.Sprint(k)
		wg.Go(func() {
			for i := range each {
				if !l.submit(key, func() {
					mu.Lock()
					running++
					most = max(most, running)
					order[key] = append(order[key], i)
					mu.Unlock()
					mu.Lock()
					running--
					mu.Unlock()
				}) {
					t.Error("full")
				}
			}
		})
	}
	wg.Wait()
	if err := l.drain(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
	for key, got := range order {
		if len(got) != each || !slices.IsSorted(got) {
			t.Fatalf("key %s: %v", key, got)
		}
	}
	if most > concurrent || len(order) != keys || l.size != 0 || len(l.queues) != 0 {
		t.Fatalf("%d at once, %d keys, %d left, %d queues", most, len(order), l.size, len(l.queues))
	}
	if l.submit("", func() {}) {
		t.Fatal("takes jobs after the end")
	}
}

func TestLaneRefusesWhenFull(t *testing.T) {
	l := newLane(1, 2)
	release := make(chan struct{})
	for i, want := range []bool{true, true, false} {
		if got := l.submit("k", func() { <-release }); got != want {
			t.Fatalf("job %d: %v", i, got)
		}
	}
	close(release)
	if err := l.drain(t.Context(), func() {}); err != nil {
		t.Fatal(err)
	}
}

// What JetStream sends in somebody's place is no command: an acknowledgement, a stored message, a delivery.
func TestCommandsThatNoClientSent(t *testing.T) {
	b := newBench(t)
	h := &fakeHost{}
	b.host(t, h)
	subj := b.control.LabelPut(h.id)
	for _, m := range []*nats.Msg{
		{Subject: subj},
		{Subject: subj, Reply: "$JS.ACK.KV_x.c.1.1.1.1.0"},
		{Subject: subj, Reply: b.nc.NewInbox(), Header: nats.Header{"Nats-Stream": {"KV_x"}}},
	} {
		m.Data = []byte(`{"key":"forged","value":"x"}`)
		if err := b.nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	// Commands are read in order: when this one is answered, those before it were looked at.
	if _, err := b.nc.Request(subj, []byte(`{"key":"asked","value":"x"}`), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := strings.Join(h.calls, ";"); strings.Contains(s, "forged") || !strings.Contains(s, "asked") {
		t.Fatalf("the host got %s", s)
	}
}
