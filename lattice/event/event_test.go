package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

var (
	actorKey    = lattice.ActorID("M" + strings.Repeat("A", 55))
	providerKey = lattice.ProviderID("V" + strings.Repeat("A", 55))
	hostKey     = lattice.HostID("N" + strings.Repeat("A", 55))
)

func entry() ActorEntry {
	return ActorEntry{HostID: hostKey, ActorID: actorKey, ImageRef: "file:///a.wasm", InstanceID: "i",
		Annotations: map[string]string{"a": "b"}, Claims: ClaimsOf(control.Claims{Name: "n", Revision: 4}, "", "")}
}

// brief shows what matters of a list of events.
func brief(events []Data) string {
	var s []string
	for _, d := range events {
		switch d := d.(type) {
		case ActorsStarted:
			s = append(s, fmt.Sprintf("%s %d", d.EventName(), d.Count))
		case ActorsStopped:
			s = append(s, fmt.Sprintf("%s %d remaining %d", d.EventName(), d.Count, d.Remaining))
		case ActorScaled:
			s = append(s, fmt.Sprintf("%s %d", d.EventName(), d.MaxInstances))
		case ActorScaleFailed:
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
			events := ActorTransition(entry(), tc.before, tc.after)
			if got := brief(events); got != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			sum := int64(tc.before) // what an observer counts from the plural events
			for _, d := range events {
				switch d := d.(type) {
				case ActorsStarted:
					sum += int64(d.Count)
				case ActorsStopped:
					sum -= int64(d.Count)
				}
			}
			if sum != int64(tc.after) {
				t.Fatalf("observers count %d", sum)
			}
		})
	}
	if got, want := brief(ActorUpdate(entry(), "old", 3)),
		"actors_started 3, actors_stopped 3 remaining 3, actor_scaled 3, actor_updated"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestActorFailureNamesTheReference(t *testing.T) {
	events := ActorFailure(ActorEntry{HostID: hostKey, ImageRef: "/a.wasm"}, 3, errors.New("why"))
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
	}{{false, true, NameHealthCheckPassed}, {true, false, NameHealthCheckFailed},
		{true, true, NameHealthCheckStatus}, {false, false, NameHealthCheckStatus}} {
		if got := HealthTransition(ProviderHealth{}, tc.before, tc.after).EventName(); got != tc.want {
			t.Errorf("%v to %v: %s", tc.before, tc.after, got)
		}
	}
}

// samples has one of every kind that is published.
func samples() []Data {
	link := wire.LinkDefinition{ActorID: actorKey, ProviderID: providerKey, ContractID: "c", LinkName: "l"}
	d := []Data{HostStarted{Version: "0.82.0"}, HostStopped{}, HostDraining{},
		HostLost{control.LostHost{HostID: hostKey, FriendlyName: "n", LastHeard: time.Unix(9, 0).UTC(),
			Actors:    []control.LostActor{{ID: actorKey, Name: "a", MaxInstances: 3}},
			Providers: []control.LostProvider{{ID: providerKey, Name: "p", ContractID: "c", LinkName: "l"}}}},
		HostLost{}, HostFound{HostID: hostKey},
		HostHeartbeat{control.HostInventory{HostID: hostKey, Actors: []control.Actor{{ID: actorKey}}}},
		ProviderStarted{PublicKey: providerKey}, ProviderStartFailed{ProviderRef: "r"},
		ProviderStopped{Reason: "normal"},
		ProviderRestarting{Restarts: 2}, NewLinkSet(link), NewLinkDeleted(link), RefmapSet{"u", "p"},
		ConfigSet{"e", "k"}, ConfigDeleted{"e", "k"},
		HealthTransition(ProviderHealth{}, false, true), HealthTransition(ProviderHealth{}, true, false),
		HealthTransition(ProviderHealth{}, true, true)}
	for _, list := range [][]Data{ActorTransition(entry(), 0, 1), ActorTransition(entry(), 1, 0),
		ActorUpdate(entry(), "old", 1),
		ActorFailure(entry(), 1, errors.New("x")), ActorUpdateFailure(entry(), "new", errors.New("x"))} {
		d = append(d, list...)
	}
	return d
}

func TestEveryKindSurvivesTheWire(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range samples() {
		seen[d.EventName()] = true
		e, err := New(hostKey, time.Now(), d)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(b), "null"); n > 0 && !strings.HasPrefix(d.EventName(), "provider_started") {
			t.Errorf("null in %s", b)
		}
		back, err := DecodeEvent(b)
		if err != nil || back.HostID() != hostKey || !back.Time.Equal(e.Time) {
			t.Fatalf("%s: %+v, %v", b, back, err)
		}
		got, err := back.Decode()
		if err != nil || reflect.TypeOf(got) != reflect.TypeOf(d) {
			t.Fatalf("%s: got %T, %v", d.EventName(), got, err)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != string(e.Data) {
			t.Errorf("%s became %s", e.Data, again)
		}
	}
	for name := range decoders {
		if !seen[name] {
			t.Errorf("no sample of %s", name)
		}
	}
}

func TestGoldenActorScaled(t *testing.T) {
	b, err := json.Marshal(ActorTransition(entry(), 3, 3)[0])
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
	b, err := json.Marshal(ProviderStarted{Claims: ProviderClaimsOf(control.Claims{Name: "n"}, "", "")})
	if err != nil || !strings.Contains(string(b), `"tags":null`) || !strings.Contains(string(b), `"annotations":{}`) {
		t.Fatalf("got %s, %v", b, err)
	}
}

func TestHeartbeatsOfBothForms(t *testing.T) {
	inv := control.HostInventory{HostID: hostKey, Version: "0.82.0",
		Actors: []control.Actor{{ID: actorKey, Instances: []control.ActorInstance{{MaxInstances: 2},
			{MaxInstances: 3}}}}}
	b, err := json.Marshal(CountsOf(inv))
	if err != nil || !strings.Contains(string(b), `"actors":{"`+string(actorKey)+`":5}`) ||
		!strings.Contains(string(b), `"providers":[]`) {
		t.Fatalf("got %s, %v", b, err)
	}
	d, err := Event{Type: typePrefix + NameHostHeartbeat, Data: b}.Decode()
	if hb, ok := d.(HostHeartbeat); err != nil || !ok || hb.Actors[0].Instances[0].MaxInstances != 5 ||
		hb.Version != "0.82.0" {
		t.Fatalf("got %+v, %v", d, err)
	}
}

func TestDecodeForeign(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		ok         bool
	}{
		{"whole", `{"specversion":"1.0","id":"1","type":"com.wasmcloud.lattice.host_stopped","source":"x","time":"2024-01-01T00:00:00.123Z","datacontenttype":"application/json","data":{"labels":{}}}`, true},
		{"bare", `{"type":"com.wasmcloud.lattice.host_stopped"}`, true},
		{"odd fields", `{"type":"com.wasmcloud.lattice.actor_scaled","time":5,"data":{"max_instances":"x","claims":null,"annotations":null}}`, true},
		{"unknown", `{"type":"com.wasmcloud.lattice.new_thing","data":{"a":1}}`, true},
		{"no type", `{"data":{}}`, false},
		{"a list of data", `{"type":"x","data":[]}`, false},
		{"not JSON", `{`, false},
		{"a number", `5`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := DecodeEvent([]byte(tc.body))
			if tc.ok != (err == nil) {
				t.Fatalf("got %+v, %v", e, err)
			}
			if err == nil {
				if _, err := e.Decode(); err != nil {
					t.Fatal(err)
				}
			} else if !errors.Is(err, lattice.ErrInvalid) {
				t.Fatal(err)
			}
		})
	}
}

func TestPublishOnBothSubjects(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	all, err := nc.SubscribeSync(subject.Event(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	typed, err := nc.SubscribeSync(subject.EventTyped(env.Lattice, NameHostStarted))
	if err != nil {
		t.Fatal(err)
	}
	if err := NewPublisher(nc, env.Lattice, hostKey).Publish(HostStarted{Version: "1.0.0"}); err != nil {
		t.Fatal(err)
	}
	a, err1 := all.NextMsg(time.Second)
	b, err2 := typed.NextMsg(time.Second)
	if err1 != nil || err2 != nil || string(a.Data) != string(b.Data) {
		t.Fatalf("got %v %v, %v %v", a, err1, b, err2)
	}
}

func TestSubscribe(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	sub, err := Subscribe(ctx, nc, env.Lattice, NameActorScaled, NameHostStopped)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	pub := NewPublisher(env.Conn(t), env.Lattice, hostKey)
	if err := nc.Publish(subject.Event(env.Lattice), []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	if err := pub.Publish(append(ActorTransition(entry(), 0, 2), HostStarted{}, HostStopped{})...); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{NameActorScaled, NameHostStopped} { // in order, once, others left out
		e, err := sub.Next(ctx)
		if err != nil || e.Name() != want || e.HostID() != hostKey {
			t.Fatalf("got %+v, %v; want %s", e, err, want)
		}
	}
	short, cancel2 := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel2()
	if e, err := sub.Next(short); !errors.Is(err, lattice.ErrTimeout) {
		t.Fatalf("got %+v, %v", e, err)
	}
	sub.Close()
	if _, err := sub.Next(ctx); !errors.Is(err, lattice.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestLostEventsAreReported(t *testing.T) {
	env := latticetest.NATS(t)
	nc, err := nats.Connect(env.URL, nats.SyncQueueLen(4))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := Subscribe(t.Context(), nc, env.Lattice)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	pub := NewPublisher(nc, env.Lattice, hostKey)
	for range 20 {
		if err := pub.Publish(HostStopped{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		if _, err := sub.Next(ctx); err != nil {
			if !errors.Is(err, lattice.ErrBusy) {
				t.Fatal(err)
			}
			break
		}
	}
	if _, err := sub.Next(ctx); err != nil {
		t.Fatalf("it does not go on: %v", err)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, d := range samples() {
		e, err := New(hostKey, time.Unix(0, 0), d)
		if err != nil {
			f.Fatal(err)
		}
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"type":"com.wasmcloud.lattice.host_heartbeat","data":{"actors":{"` + string(actorKey) + `":1}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvent(b)
		if err != nil {
			return
		}
		d, err := e.Decode()
		if err != nil {
			return
		}
		if _, err := json.Marshal(d); err != nil {
			t.Fatalf("%q cannot be encoded again: %v", b, err)
		}
	})
}
