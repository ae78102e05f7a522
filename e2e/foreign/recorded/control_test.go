package recorded_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/e2e/foreign/recorded"
	"github.com/weftlattice/weft/internal/controlserver"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// host notes what it is asked for. What wants no more than reading is answered empty.
type host struct {
	mu    sync.Mutex
	asked []string // guarded by mu
}

func (h *host) note(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked = append(h.asked, fmt.Sprintf(format, args...))
	return nil
}

func (h *host) Host(context.Context) (control.Host, error) {
	return control.Host{}, h.note("ping")
}

func (h *host) Inventory(context.Context) (control.HostInventory, error) {
	return control.HostInventory{}, h.note("inventory")
}

func (h *host) Claims(context.Context) ([]control.Claims, error) { return nil, h.note("claims") }

func (h *host) Links(context.Context) ([]wire.LinkDefinition, error) { return nil, h.note("links") }

func (h *host) Logs(context.Context, control.LogsRequest) ([]control.LogLine, error) {
	return nil, h.note("logs")
}

func (h *host) Lost(context.Context) ([]control.LostHost, error) { return nil, nil }
func (h *host) Failures(context.Context, control.FailuresRequest) (control.FailuresReply, error) {
	return control.FailuresReply{}, nil
}

func (h *host) BidActor(_ context.Context, r control.ActorAuctionRequest) bool {
	return h.note("bid actor %s %v", r.ActorRef, r.Constraints) == nil
}

func (h *host) BidProvider(_ context.Context, r control.ProviderAuctionRequest) bool {
	return h.note("bid provider %s %s %v", r.ProviderRef, r.LinkName, r.Constraints) == nil
}

func (h *host) PutLink(_ context.Context, l wire.LinkDefinition) error {
	return h.note("put link %s %s %s %s %v", l.ActorID[:4], l.ProviderID[:4], l.ContractID, l.LinkName, l.Values)
}

func (h *host) DelLink(_ context.Context, r control.RemoveLinkRequest) error {
	return h.note("del link %s %s %s", r.ActorID[:4], r.ContractID, r.LinkName)
}

func (h *host) StartActor(_ context.Context, r control.StartActorRequest) error {
	return h.note("start actor %s %d %v", r.ActorRef, r.Count, r.Annotations)
}

func (h *host) ScaleActor(_ context.Context, r control.ScaleActorRequest) error {
	return h.note("scale actor %s %d %v", r.ActorRef, r.MaxInstances, r.Annotations)
}

func (h *host) StopActor(_ context.Context, r control.StopActorRequest) error {
	return h.note("stop actor %s %d", r.ActorID[:4], r.Count)
}

func (h *host) UpdateActor(_ context.Context, r control.UpdateActorRequest) error {
	return h.note("update actor %s %s", r.ActorID[:4], r.NewActorRef)
}

func (h *host) StartProvider(_ context.Context, r control.StartProviderRequest) error {
	return h.note("start provider %s %s %q", r.ProviderRef, r.LinkName, r.Configuration)
}

func (h *host) StopProvider(_ context.Context, r control.StopProviderRequest) error {
	return h.note("stop provider %s %s %s", r.ProviderID[:4], r.LinkName, r.ContractID)
}

func (h *host) StopHost(_ context.Context, r control.StopHostRequest) error {
	return h.note("stop host %d", r.TimeoutMs)
}

func (*host) Reload(context.Context) (control.Reloaded, error)           { return control.Reloaded{}, nil }
func (h *host) DrainHost(context.Context, control.StopHostRequest) error { return h.note("drain host") }

func (h *host) PutLabel(_ context.Context, r control.LabelRequest) error {
	return h.note("put label %s=%s", r.Key, r.Value)
}

func (h *host) DelLabel(_ context.Context, r control.LabelRequest) error {
	return h.note("del label %s", r.Key)
}

func (h *host) PutRegistries(_ context.Context, r control.RegistryCredentials) error {
	return h.note("put registries %v", r)
}

// connect starts a NATS server for the test.
func connect(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := natsserver.Start(t.Context(), natsserver.Config{Port: -1, DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	nc, err := natsconn.Connect(t.Context(), natsconn.Config{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// What wash sent to hosts is understood by the control server: each request comes to the one method that it is for,
// with what it said.
func TestRequestsOfWash(t *testing.T) {
	nc := connect(t)
	files, err := filepath.Glob("testdata/wash-*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("recordings of wash: %v, %v", files, err)
	}
	for _, file := range files {
		file = filepath.Base(file)
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", strings.TrimSuffix(file, ".jsonl")+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSpace(string(text)), "\n")
			messages := read(t, file)
			h := &host{}
			s := controlserver.New(nc, controlserver.Config{Control: subject.Control{Lattice: "default"},
				HostID: hostOf(t, messages), Handler: h})
			if err := s.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Close(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			for _, m := range messages {
				if !strings.HasPrefix(m.Subject, "wasmbus.ctl.") {
					continue
				}
				reply, err := nc.Request(m.Subject, m.Data, 5*time.Second)
				if err != nil {
					t.Fatalf("%s %s: %v", m.Subject, m.Data, err)
				}
				if strings.Contains(string(reply.Data), `"accepted":false`) {
					t.Errorf("%s %s is refused: %s", m.Subject, m.Data, reply.Data)
				}
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			for i := range max(len(h.asked), len(want)) {
				if i >= len(h.asked) || i >= len(want) || h.asked[i] != want[i] {
					t.Fatalf("request %d of\n%s\nis not the one of\n%s", i+1, strings.Join(h.asked, "\n"),
						strings.Join(want, "\n"))
				}
			}
		})
	}
}

// hostOf finds the host that a recording's commands are for.
func hostOf(t *testing.T, messages []recorded.Message) lattice.HostID {
	t.Helper()
	for _, m := range messages {
		tokens := strings.Split(m.Subject, ".")
		for _, token := range tokens {
			if id, err := lattice.ParseHostID(token); err == nil {
				return id
			}
		}
	}
	t.Fatal("no host in the recording")
	return ""
}
