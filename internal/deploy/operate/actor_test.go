package operate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

func maxes(s *ActorScale) map[string]uint32 {
	out := map[string]uint32{}
	for _, h := range s.Hosts {
		out[h.Name] = h.Max
	}
	return out
}

func TestStartActorSpreads(t *testing.T) {
	r := newRig(t)
	hosts := []*fakeHost{r.host(t, "one", nil), r.host(t, "two", nil), r.host(t, "three", nil)}
	got, err := r.StartActor(t.Context(), ActorStart{Ref: "ref-spread", Max: 9, Where: Where{Spread: true},
		Limits: control.ActorLimits{MemoryBytes: 1 << 20}, Config: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	if m := maxes(got); len(m) != 3 || m["one"] != 3 || m["two"] != 3 || m["three"] != 3 || got.Max != 9 ||
		got.ID == "" {
		t.Errorf("got %+v", got)
	}
	for _, h := range hosts {
		for _, req := range h.requests() {
			if req.Limits == nil || req.Limits.MemoryBytes != 1<<20 || req.Config["k"] != "v" {
				t.Errorf("settings were lost: %+v", req)
			}
		}
	}
	// Again is as good as once, and fewer take instances away.
	if got, err = r.ScaleActor(t.Context(), "ref-spread", 2, Where{}, ScaleGroup{}); err != nil || got.Max != 2 ||
		len(got.Hosts) != 3 {
		t.Errorf("scale: %+v, %v", got, err)
	}
	if got, err = r.StopActor(t.Context(), "ref-spread", "", nil); err != nil || len(got.Hosts) != 2 {
		t.Errorf("stop: %+v, %v", got, err)
	}
	if _, err = r.StopActor(t.Context(), "ref-spread", "", nil); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("stop again: %v", err)
	}
}

func TestStartActorChoosesHosts(t *testing.T) {
	r := newRig(t)
	edge := r.host(t, "edge", map[string]string{"zone": "edge"})
	old := r.host(t, "old", map[string]string{"zone": "core"})
	old.deaf = true
	start := func(where Where) (*ActorScale, error) {
		return r.StartActor(t.Context(), ActorStart{Ref: "ref-choice", Max: 1, Where: where})
	}
	zone := map[string]string{"zone": "edge"}
	if got, err := start(Where{Constraints: zone, Spread: true}); err != nil || len(got.Hosts) != 1 ||
		got.Hosts[0].Name != "edge" {
		t.Errorf("constraints: %+v, %v", got, err)
	}
	if got, err := start(Where{Host: "old"}); err != nil || got.Hosts[0].Name != "old" {
		t.Errorf("by name: %+v, %v", got, err)
	}
	if _, err := start(Where{Host: "nowhere"}); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("unknown host: %v", err)
	}
	edge.noBid = true
	if _, err := start(Where{Constraints: zone}); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("no bid: %v", err)
	}
}

func TestNoHosts(t *testing.T) {
	r := newRig(t)
	if _, err := r.StartActor(t.Context(),
		ActorStart{Ref: "x", Max: 1}); lattice.CodeOf(err) != lattice.ErrUnavailable || !strings.Contains(err.Error(),
		"weft up") {
		t.Errorf("got %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	long.Test(t, "waits for hosts that say nothing")
	for _, tc := range []struct {
		name    string
		second  func(*fakeHost) func(control.ScaleActorRequest) []event.Data
		code    lattice.Code
		partial bool
		says    string
	}{
		{"one host refuses", func(h *fakeHost) func(control.ScaleActorRequest) []event.Data {
			return func(r control.ScaleActorRequest) []event.Data {
				return []event.Data{event.ActorScaleFailed{ActorRef: "another", Error: "not ours"},
					event.ActorScaleFailed{ActorRef: r.ActorRef, Error: "x: " + lattice.ErrHashMismatch.Error(),
						Code: lattice.ErrHashMismatch.Name()}}
			}
		}, lattice.ErrHashMismatch, true, "done on one, but not on two"},
		{"one host is silent", func(*fakeHost) func(control.ScaleActorRequest) []event.Data {
			return func(control.ScaleActorRequest) []event.Data { return nil }
		}, lattice.ErrTimeout, true, "it may still come"},
		{"one host dies", func(*fakeHost) func(control.ScaleActorRequest) []event.Data {
			return func(control.ScaleActorRequest) []event.Data {
				return []event.Data{event.HostStopped{Reason: "by command"}}
			}
		}, lattice.ErrUnavailable, true, "the host has stopped by command"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			r.host(t, "one", nil)
			two := r.host(t, "two", nil)
			two.onScale = tc.second(two)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			got, err := r.StartActor(ctx, ActorStart{Ref: "ref-outcome", Max: 2, Where: Where{Spread: true}})
			var partial *PartialError
			if errors.As(err, &partial) != tc.partial || lattice.CodeOf(err) != tc.code ||
				!strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
			if got == nil || len(got.Hosts) != 1 || got.Hosts[0].Name != "one" {
				t.Errorf("result %+v", got)
			}
		})
	}
}

func TestNoWait(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "silent", nil)
	h.onScale = func(control.ScaleActorRequest) []event.Data { return nil }
	got, err := r.NoWait(true).StartActor(t.Context(), ActorStart{Ref: "ref-nowait", Max: 4})
	if err != nil || got.Max != 4 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUpdateStopsAtTheFirstRefusal(t *testing.T) {
	r := newRig(t)
	id := r.ActorID(t)
	var asked []string
	for _, name := range []string{"a", "b", "c"} {
		h := r.host(t, name, nil)
		h.run(id, "app", "old", 2)
		h.onUpdate = func(control.UpdateActorRequest) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if asked = append(asked, name); len(asked) == 2 {
				return &lattice.Error{Code: lattice.ErrConflict, Detail: "too old"}
			}
			return nil
		}
	}
	got, err := r.UpdateActor(t.Context(), id, "new", "")
	var partial *PartialError
	if !errors.As(err, &partial) || len(partial.Done) != 1 || len(partial.Failed) != 1 || len(asked) != 2 ||
		len(got.Hosts) != 1 {
		t.Errorf("asked %v, got %+v, %v", asked, got, err)
	}
	if err := errors.Unwrap(partial); !errors.Is(err, lattice.ErrConflict) {
		t.Errorf("code of %v", err)
	}
}

func TestHosts(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "one", map[string]string{"a": "1"})
	h.run(r.ActorID(t), "app", "ref", 1)
	got, err := r.LabelHost(t.Context(), "one", map[string]string{"b": "2"}, []string{"a"})
	if err != nil || len(got.Labels) != 1 || got.Labels["b"] != "2" {
		t.Errorf("labels %v, %v", got.Labels, err)
	}
	if _, err := r.LabelHost(t.Context(), "one", nil, []string{"a"}); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("deleting again: %v", err)
	}
	if _, err := r.DrainHost(t.Context(), "one"); err != nil {
		t.Errorf("drain: %v", err)
	}
	if ref, err := r.StopHost(t.Context(), "one", time.Second, false); err != nil || ref.Name != "one" {
		t.Errorf("stop: %v, %v", ref, err)
	}
}

func TestStartProvider(t *testing.T) {
	r := newRig(t)
	r.host(t, "one", nil)
	got, err := r.StartProvider(t.Context(), ProviderStart{Ref: "httpserver", LinkName: "web"})
	if err != nil || got.Name != "httpserver" || got.ID != r.cfg.Builtins[0].ID || got.LinkName != "web" ||
		len(got.Hosts) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	if !slices.ContainsFunc(r.steps, func(s Step) bool { return s.Host == "one" }) {
		t.Errorf("no progress was told: %v", r.steps)
	}
}

// TestStoppingTheHostThatCarriesNATS: it says what it would do to the others, and wants to be forced.
func TestStoppingTheHostThatCarriesNATS(t *testing.T) {
	r := newRig(t)
	first := r.host(t, "first", nil)
	first.mu.Lock()
	first.inv.CarriesNATS = true
	first.mu.Unlock()
	r.host(t, "second", nil)
	if _, err := r.StopHost(t.Context(), "first", 0, false); lattice.CodeOf(err) != lattice.ErrConflict ||
		!strings.Contains(err.Error(), "it carries the lattice's NATS server, and second would be cut off") ||
		!strings.Contains(err.Error(), "--force") {
		t.Errorf("got %v", err)
	}
	if _, err := r.StopHost(t.Context(), "second", 0, false); err != nil { // it carries nothing
		t.Errorf("the other one: %v", err)
	}
	if _, err := r.StopHost(t.Context(), "first", 0, true); err != nil {
		t.Errorf("forced: %v", err)
	}
}
