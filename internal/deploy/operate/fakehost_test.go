package operate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/controlserver"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

// rig is a lattice with fake hosts and an operator.
type rig struct {
	*latticetest.Env
	*Lattice
	mu    sync.Mutex
	steps []Step                // guarded by mu
	links []wire.LinkDefinition // of the whole lattice; guarded by mu
}

func newRig(t *testing.T) *rig {
	r := &rig{Env: latticetest.NATS(t)}
	r.Lattice = New(r.Env.Conn(t), Config{Control: r.control(),
		Builtins: []Builtin{{Name: "httpserver", ID: r.ProviderID(t), ContractID: "wasmcloud:httpserver"}},
		Progress: func(s Step) { r.mu.Lock(); defer r.mu.Unlock(); r.steps = append(r.steps, s) }})
	return r
}

func (r *rig) control() subject.Control {
	return subject.Control{Prefix: subject.DefaultControlPrefix, Lattice: r.Env.Lattice}
}

// fakeHost obeys at once and tells by events, unless a hook says otherwise.
type fakeHost struct {
	rig    *rig
	inv    control.HostInventory // guarded by mu
	mu     sync.Mutex
	events *announce.Publisher
	scaled []control.ScaleActorRequest // guarded by mu
	claims []control.Claims            // guarded by mu

	onScale  func(control.ScaleActorRequest) []event.Data // nil: success
	onUpdate func(control.UpdateActorRequest) error
	lost     []control.LostHost // what it misses
	refuses  error              // links
	noBid    bool
	stuck    chan struct{} // until it is closed the inventory has no answer; nil: it has
	late     time.Duration // after which it answers a ping
	deaf     bool          // bids whatever the constraints are, as hosts of old
}

// actorIDs are the ids that fake hosts give to references.
var actorIDs sync.Map

func idOf(t *testing.T, r *rig, ref string) lattice.ActorID {
	id, _ := actorIDs.LoadOrStore(ref, r.ActorID(t))
	return id.(lattice.ActorID)
}

func (r *rig) host(t *testing.T, name string, labels map[string]string) *fakeHost {
	t.Helper()
	nc := r.Env.Conn(t)
	h := &fakeHost{rig: r, inv: control.HostInventory{HostID: r.HostID(t), FriendlyName: name, Labels: labels,
		Version: "0.82.0"}}
	h.events = announce.NewPublisher(nc, r.Env.Lattice, h.inv.HostID)
	s := controlserver.New(nc, controlserver.Config{Control: r.control(), HostID: h.inv.HostID,
		Handler: fakeHandler{h, t}, Logger: r.Logger})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return h
}

func (h *fakeHost) requests() []control.ScaleActorRequest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]control.ScaleActorRequest(nil), h.scaled...)
}

// run makes the inventory show an actor.
func (h *fakeHost) run(id lattice.ActorID, name, ref string, max uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var others []control.Actor
	for _, a := range h.inv.Actors {
		if a.ID != id {
			others = append(others, a)
		}
	}
	if max > 0 {
		others = append(others, control.Actor{ID: id, Name: name, ImageRef: ref,
			Instances: []control.ActorInstance{{MaxInstances: max}}})
	}
	h.inv.Actors = others
}

// fakeHandler is a fakeHost's side of the control interface.
type fakeHandler struct {
	*fakeHost
	t *testing.T
}

func (h fakeHandler) Host(context.Context) (control.Host, error) {
	time.Sleep(h.late)
	h.mu.Lock()
	defer h.mu.Unlock()
	return control.Host{ID: h.inv.HostID, FriendlyName: h.inv.FriendlyName, Labels: maps.Clone(h.inv.Labels),
		Version: "0.82.0"}, nil
}

func (h fakeHandler) Inventory(context.Context) (control.HostInventory, error) {
	if h.stuck != nil {
		<-h.stuck
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	inv := h.inv
	inv.Labels = maps.Clone(inv.Labels)
	return inv, nil
}

func (h fakeHandler) Lost(context.Context) ([]control.LostHost, error) { return h.lost, nil }

func (h fakeHandler) Failures(context.Context, control.FailuresRequest) (control.FailuresReply, error) {
	return control.FailuresReply{}, nil
}

func (h fakeHandler) Claims(context.Context) ([]control.Claims, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.claims), nil
}

func (h fakeHandler) Links(context.Context) ([]wire.LinkDefinition, error) {
	h.rig.mu.Lock()
	defer h.rig.mu.Unlock()
	return append([]wire.LinkDefinition(nil), h.rig.links...), nil
}

func (h fakeHandler) Logs(context.Context, control.LogsRequest) ([]control.LogLine, error) {
	return nil, nil
}

func (h fakeHandler) BidActor(_ context.Context, r control.ActorAuctionRequest) bool {
	return !h.noBid && (h.deaf || lattice.Matches(h.inv.Labels, r.Constraints))
}

func (h fakeHandler) BidProvider(_ context.Context, r control.ProviderAuctionRequest) bool {
	return !h.noBid && lattice.Matches(h.inv.Labels, r.Constraints)
}

func (h fakeHandler) PutLink(_ context.Context, l wire.LinkDefinition) error {
	h.mu.Lock()
	refused := h.refuses
	h.mu.Unlock()
	if refused != nil {
		return refused
	}
	h.rig.mu.Lock()
	h.rig.links = append(h.rig.links, l)
	h.rig.mu.Unlock()
	return h.events.Publish(announce.LinkSet(l))
}

func (h fakeHandler) DelLink(context.Context, control.RemoveLinkRequest) error { return nil }

func (h fakeHandler) ScaleActor(_ context.Context, r control.ScaleActorRequest) error {
	id := idOf(h.t, h.rig, r.ActorRef)
	h.mu.Lock()
	h.scaled = append(h.scaled, r)
	h.mu.Unlock()
	if h.onScale != nil {
		return h.events.Publish(h.onScale(r)...)
	}
	h.run(id, r.ActorRef, r.ActorRef, r.MaxInstances)
	return h.events.Publish(event.ActorScaled{PublicKey: id, ImageRef: r.ActorRef, HostID: h.inv.HostID,
		MaxInstances: r.MaxInstances, Annotations: r.Annotations})
}

func (h fakeHandler) StopActor(_ context.Context, r control.StopActorRequest) error {
	h.run(r.ActorID, "", "", 0)
	return h.events.Publish(event.ActorsStopped{PublicKey: r.ActorID, HostID: h.inv.HostID})
}

func (h fakeHandler) UpdateActor(_ context.Context, r control.UpdateActorRequest) error {
	if h.onUpdate != nil {
		return h.onUpdate(r)
	}
	return nil
}

func (h fakeHandler) StartProvider(_ context.Context, r control.StartProviderRequest) error {
	return h.events.Publish(event.ProviderStarted{PublicKey: h.rig.cfg.Builtins[0].ID, ImageRef: r.ProviderRef,
		LinkName:   r.LinkName,
		ContractID: "wasmcloud:httpserver", HostID: h.inv.HostID})
}

func (h fakeHandler) StopProvider(context.Context, control.StopProviderRequest) error {
	return errors.New("not in this test")
}

func (h fakeHandler) StartActor(context.Context, control.StartActorRequest) error {
	return errors.New("the old command is not used")
}

func (h fakeHandler) StopHost(context.Context, control.StopHostRequest) error {
	return h.events.Publish(event.HostStopped{})
}

func (h fakeHandler) DrainHost(context.Context, control.StopHostRequest) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inv.Actors = nil
	return nil
}

func (h fakeHandler) Reload(context.Context) (control.Reloaded, error) {
	return control.Reloaded{Accepted: true, Issuer: h.inv.Issuer, ClusterIssuers: []lattice.ClusterID{h.inv.Issuer}},
		nil
}

func (h fakeHandler) PutLabel(_ context.Context, r control.LabelRequest) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inv.Labels[r.Key] = r.Value
	return nil
}

func (h fakeHandler) DelLabel(_ context.Context, r control.LabelRequest) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.inv.Labels, r.Key)
	return nil
}

func (h fakeHandler) PutRegistries(context.Context, control.RegistryCredentials) error { return nil }
