package host_test

import (
	"context"
	"testing"
	"time"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
)

// wadm answers each heartbeat with the command that it still wants. A host that sent one after each failure kept it at
// four commands a second.
func TestFailedStartsAndRestartsSendNoHeartbeat(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { c.Beat, c.Heartbeat = time.Hour, time.Hour }) // only changes are told
	beats, err := r.nc.SubscribeSync(subject.Beat(r.env.Lattice, h.ID()))
	if err != nil {
		t.Fatal(err)
	}
	seen := r.events(event.NameHostHeartbeat, event.NameActorsStartFailed, event.NameProviderStartFailed)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settled := func(failed event.Data) { // the beat out of turn comes right before the heartbeat would
		t.Helper()
		if e := seen.next(); e.EventName() != failed.EventName() {
			t.Fatalf("%s: %+v, want %s", e.EventName(), e, failed.EventName())
		}
		if _, err := beats.NextMsgWithContext(ctx); err != nil {
			t.Fatalf("no beat: %v", err)
		}
	}
	for range 2 {
		if err := r.control.ScaleActor(ctx, control.ScaleActorRequest{HostID: h.ID(), ActorRef: "file:///nowhere.wasm",
			MaxInstances: 1}); err != nil {
			t.Fatal(err)
		}
		settled(event.ActorsStartFailed{})
	}
	if err := r.control.StartProvider(ctx, control.StartProviderRequest{HostID: h.ID(),
		ProviderRef: "file:///nowhere.par"}); err != nil {
		t.Fatal(err)
	}
	if e := seen.next(); e.EventName() != event.NameProviderStartFailed {
		t.Fatalf("%s: %+v", e.EventName(), e)
	}
	if err := r.control.PutLabel(ctx, h.ID(), "zone", "edge"); err != nil {
		t.Fatal(err)
	}
	if beat, ok := seen.next().(event.HostHeartbeat); !ok || beat.Labels["zone"] != "edge" {
		t.Fatalf("%+v, want the heartbeat with the label", beat)
	}
}
