package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

var (
	actorKey    = lattice.ActorID("M" + strings.Repeat("A", 55))
	providerKey = lattice.ProviderID("V" + strings.Repeat("A", 55))
	hostKey     = lattice.HostID("N" + strings.Repeat("A", 55))
)

func entry() announce.Actor {
	return announce.Actor{HostID: hostKey, ActorID: actorKey, ImageRef: "file:///a.wasm", InstanceID: "i",
		Annotations: map[string]string{"a": "b"},
		Claims:      announce.Claims(control.Claims{Name: "n", Revision: 4}, "", "")}
}

func samples() []event.Data {
	link := wire.LinkDefinition{ActorID: actorKey, ProviderID: providerKey, ContractID: "c", LinkName: "l"}
	d := []event.Data{event.HostStarted{Version: "0.82.0"}, event.HostStopped{}, event.HostDraining{},
		event.HostLost{control.LostHost{HostID: hostKey, FriendlyName: "n", LastHeard: time.Unix(9, 0).UTC(),
			Actors:    []control.LostActor{{ID: actorKey, Name: "a", MaxInstances: 3}},
			Providers: []control.LostProvider{{ID: providerKey, Name: "p", ContractID: "c", LinkName: "l"}}}},
		event.HostLost{}, event.HostFound{HostID: hostKey},
		event.HostHeartbeat{control.HostInventory{HostID: hostKey, Actors: []control.Actor{{ID: actorKey}}}},
		event.ProviderStarted{PublicKey: providerKey}, event.ProviderStartFailed{ProviderRef: "r"},
		event.ProviderStopped{Reason: "normal"},
		event.ProviderRestarting{Restarts: 2}, announce.LinkSet(link), announce.LinkDeleted(link),
		event.RefmapSet{"u", "p"},
		event.ConfigSet{"e", "k"}, event.ConfigDeleted{"e", "k"},
		announce.Health(event.ProviderHealth{}, false, true), announce.Health(event.ProviderHealth{}, true, false),
		announce.Health(event.ProviderHealth{}, true, true)}
	for _, list := range [][]event.Data{announce.Scaled(entry(), 0, 1), announce.Scaled(entry(), 1, 0),
		announce.Updated(entry(), "old", 1),
		announce.Failed(entry(), 1, errors.New("x")), announce.UpdateFailed(entry(), "new", errors.New("x"))} {
		d = append(d, list...)
	}
	return d
}

func TestEveryKindSurvivesTheWire(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range samples() {
		seen[d.EventName()] = true
		e, err := event.New(hostKey, time.Now(), d)
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
		back, err := event.DecodeEvent(b)
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
	for _, name := range event.Names() {
		if !seen[name] {
			t.Errorf("no sample of %s", name)
		}
	}
}

func TestDecodeForeign(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		ok         bool
	}{
		{"whole", `{"specversion":"1.0","id":"1","type":"com.wasmcloud.lattice.host_stopped","source":"x",` +
			`"time":"2024-01-01T00:00:00.123Z","datacontenttype":"application/json","data":{"labels":{}}}`, true},
		{"bare", `{"type":"com.wasmcloud.lattice.host_stopped"}`, true},
		{"odd fields", `{"type":"com.wasmcloud.lattice.actor_scaled","time":5,"data":{"max_instances":"x",` +
			`"claims":null,"annotations":null}}`, true},
		{"unknown", `{"type":"com.wasmcloud.lattice.new_thing","data":{"a":1}}`, true},
		{"no type", `{"data":{}}`, false},
		{"a list of data", `{"type":"x","data":[]}`, false},
		{"not JSON", `{`, false},
		{"a number", `5`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := event.DecodeEvent([]byte(tc.body))
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

func TestSubscribe(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	sub, err := event.Subscribe(ctx, nc, env.Lattice, event.NameActorScaled, event.NameHostStopped)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	pub := announce.NewPublisher(env.Conn(t), env.Lattice, hostKey)
	if err := nc.Publish(subject.Event(env.Lattice), []byte("garbage")); err != nil {
		t.Fatal(err)
	}
	if err := pub.Publish(append(announce.Scaled(entry(), 0, 2), event.HostStarted{},
		event.HostStopped{})...); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{event.NameActorScaled, event.NameHostStopped} { // in order, once, others left out
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
	sub, err := event.Subscribe(t.Context(), nc, env.Lattice)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	pub := announce.NewPublisher(nc, env.Lattice, hostKey)
	for range 20 {
		if err := pub.Publish(event.HostStopped{}); err != nil {
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
		e, err := event.New(hostKey, time.Unix(0, 0), d)
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
		e, err := event.DecodeEvent(b)
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
