package announce

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

var (
	actorKey = lattice.ActorID("M" + strings.Repeat("A", 55))
	hostKey  = lattice.HostID("N" + strings.Repeat("A", 55))
)

func entry() Actor {
	return Actor{HostID: hostKey, ActorID: actorKey, ImageRef: "file:///a.wasm", InstanceID: "i",
		Annotations: map[string]string{"a": "b"}, Claims: Claims(control.Claims{Name: "n", Revision: 4}, "", "")}
}

// brief shows what matters of a list of events.
func brief(events []event.Data) string {
	var s []string
	for _, d := range events {
		switch d := d.(type) {
		case event.ActorsStarted:
			s = append(s, fmt.Sprintf("%s %d", d.EventName(), d.Count))
		case event.ActorsStopped:
			s = append(s, fmt.Sprintf("%s %d remaining %d", d.EventName(), d.Count, d.Remaining))
		case event.ActorScaled:
			s = append(s, fmt.Sprintf("%s %d", d.EventName(), d.MaxInstances))
		case event.ActorScaleFailed:
			s = append(s, fmt.Sprintf("%s %d", d.EventName(), d.MaxInstances))
		default:
			s = append(s, d.EventName())
		}
	}
	return strings.Join(s, ", ")
}

func TestActorTransition(t *testing.T) {
	for _, tc := range []struct {
		name          string
		before, after uint32
		want          string
	}{
		{"started", 0, 3, "actor_started, actors_started 3, actor_scaled 3"},
		{"up", 3, 5, "actor_started, actors_started 2, actor_scaled 5"},
		{"down", 5, 3, "actors_stopped 2 remaining 3, actor_scaled 3"},
		{"stopped", 3, 0, "actor_stopped, actors_stopped 3 remaining 0, actor_scaled 0"},
		{"unchanged", 3, 3, "actor_scaled 3"},
		{"never ran", 0, 0, "actor_scaled 0"},
		{"without limit", 0, control.Unbounded, "actor_started, actors_started 4294967295, actor_scaled 4294967295"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events := Scaled(entry(), tc.before, tc.after)
			if got := brief(events); got != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			sum := int64(tc.before) // what an observer counts from the plural events
			for _, d := range events {
				switch d := d.(type) {
				case event.ActorsStarted:
					sum += int64(d.Count)
				case event.ActorsStopped:
					sum -= int64(d.Count)
				}
			}
			if sum != int64(tc.after) {
				t.Fatalf("observers count %d", sum)
			}
		})
	}
	if got, want := brief(Updated(entry(), "old", 3)),
		"actors_started 3, actors_stopped 3 remaining 3, actor_scaled 3, actor_updated"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestActorFailureNamesTheReference(t *testing.T) {
	events := Failed(Actor{HostID: hostKey, ImageRef: "/a.wasm"}, 3, errors.New("why"))
	if got := brief(events); got != "actor_start_failed, actors_start_failed, actor_scale_failed 3" {
		t.Fatal(got)
	}
	for _, d := range events { // clients match actor_ref in every one, and abort when it is missing
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil || got["actor_ref"] != "/a.wasm" ||
			got["image_ref"] != "/a.wasm" ||
			got["error"] != "why" || got["public_key"] != "" {
			t.Errorf("got %s", b)
		}
	}
}

func TestHealthTransition(t *testing.T) {
	for _, tc := range []struct {
		before, after bool
		want          string
	}{{false, true, event.NameHealthCheckPassed}, {true, false, event.NameHealthCheckFailed},
		{true, true, event.NameHealthCheckStatus}, {false, false, event.NameHealthCheckStatus}} {
		if got := Health(event.ProviderHealth{}, tc.before, tc.after).EventName(); got != tc.want {
			t.Errorf("%v to %v: %s", tc.before, tc.after, got)
		}
	}
}

// samples has one of every kind that is published.
func TestGoldenActorScaled(t *testing.T) {
	b, err := json.Marshal(Scaled(entry(), 3, 3)[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"public_key":"` + string(actorKey) +
		`","claims":{"call_alias":"","caps":[],"issuer":"","tags":[],"name":"n","version":"",` +
		`"revision":4,"not_before_human":"immediately","expires_human":"never"},"annotations":{"a":"b"},"host_id":"` +
		string(hostKey) +
		`","image_ref":"file:///a.wasm","max_instances":3}`
	if string(b) != want {
		t.Fatalf("got  %s\nwant %s", b, want)
	}
}

func TestProviderClaimsTagsAreNull(t *testing.T) {
	b, err := json.Marshal(event.ProviderStarted{Claims: ProviderClaims(control.Claims{Name: "n"}, "", "")})
	if err != nil || !strings.Contains(string(b), `"tags":null`) || !strings.Contains(string(b), `"annotations":{}`) {
		t.Fatalf("got %s, %v", b, err)
	}
}

func TestHeartbeatsOfBothForms(t *testing.T) {
	inv := control.HostInventory{HostID: hostKey, Version: "0.82.0",
		Actors: []control.Actor{{ID: actorKey, Instances: []control.ActorInstance{{MaxInstances: 2},
			{MaxInstances: 3}}}}}
	b, err := json.Marshal(Counts(inv))
	if err != nil || !strings.Contains(string(b), `"actors":{"`+string(actorKey)+`":5}`) ||
		!strings.Contains(string(b), `"providers":[]`) {
		t.Fatalf("got %s, %v", b, err)
	}
	d, err := event.Event{Type: "com.wasmcloud.lattice.host_heartbeat", Data: b}.Decode()
	if hb, ok := d.(event.HostHeartbeat); err != nil || !ok || hb.Actors[0].Instances[0].MaxInstances != 5 ||
		hb.Version != "0.82.0" {
		t.Fatalf("got %+v, %v", d, err)
	}
}

func TestPublishOnBothSubjects(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	all, err := nc.SubscribeSync(subject.Event(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	typed, err := nc.SubscribeSync(subject.EventTyped(env.Lattice, event.NameHostStarted))
	if err != nil {
		t.Fatal(err)
	}
	if err := NewPublisher(nc, env.Lattice, hostKey).Publish(event.HostStarted{Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	a, err1 := all.NextMsg(time.Second)
	b, err2 := typed.NextMsg(time.Second)
	if err1 != nil || err2 != nil || string(a.Data) != string(b.Data) {
		t.Fatalf("got %v %v, %v %v", a, err1, b, err2)
	}
}
