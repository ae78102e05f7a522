package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

const (
	actor    = "M" + key
	provider = "V" + key
	key      = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func link(name string, values ...string) wire.LinkDefinition {
	l := wire.LinkDefinition{ActorID: actor, ProviderID: provider, ContractID: "wasmcloud:keyvalue",
		LinkName: lattice.LinkName(name), Values: map[string]string{}}
	for i := 0; i+1 < len(values); i += 2 {
		l.Values[values[i]] = values[i+1]
	}
	return l
}

func open(t *testing.T, env *latticetest.Env) *Store {
	t.Helper()
	s, err := Open(t.Context(), env.Conn(t), env.Lattice, Config{Logger: env.Logger})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rawBucket(t *testing.T, env *latticetest.Env) jetstream.KeyValue {
	t.Helper()
	js, err := jetstream.New(env.Conn(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), subject.KVLattice(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	return kv
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// observer keeps the state that it was told of and checks that the calls make sense together.
type observer struct {
	t       *testing.T
	mu      sync.Mutex
	links   map[string]wire.LinkDefinition
	claims  map[string]control.Claims
	calls   []string
	caught  int
	replays int
}

func watchStore(t *testing.T, s *Store) *observer {
	t.Helper()
	o := &observer{t: t, links: make(map[string]wire.LinkDefinition), claims: make(map[string]control.Claims)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	o.await("caught up", func() bool { return o.caught == 1 })
	return o
}

func (o *observer) called(format string, args ...any) {
	o.calls = append(o.calls, fmt.Sprintf(format, args...))
}

func (o *observer) LinkPut(l wire.LinkDefinition, old *wire.LinkDefinition, replay bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	have, ok := o.links[l.ID()]
	if ok != (old != nil) || (ok && !have.Equal(*old)) {
		o.t.Errorf("put of %s replaces %v, told %v", l.LinkName, have, old)
	}
	o.links[l.ID()] = l
	if replay {
		o.replays++
	}
	o.called("put %s", l.LinkName)
}

func (o *observer) LinkDeleted(l wire.LinkDefinition) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if have, ok := o.links[l.ID()]; !ok || !have.Equal(l) {
		o.t.Errorf("deletion of %v, had %v", l, have)
	}
	delete(o.links, l.ID())
	o.called("del %s", l.LinkName)
}

func (o *observer) ClaimsPut(c control.Claims, replay bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.claims[c.Subject] = c
	if replay {
		o.replays++
	}
	o.called("claims %s", c.Name)
}

func (o *observer) RefPut(r Ref, _ bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.called("ref %s is %s", r.URL, r.PublicKey)
}

func (o *observer) RefDeleted(r Ref) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.called("unref %s", r.URL)
}

func (o *observer) ClaimsDeleted(c control.Claims) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.claims, c.Subject)
	o.called("unclaim %s", c.Name)
}

func (o *observer) CaughtUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.caught++
}

func (o *observer) await(what string, ok func() bool) {
	o.t.Helper()
	latticetest.Eventually(o.t, func() error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if !ok() {
			return fmt.Errorf("not %s: links %v, claims %v, calls %v", what, slices.Sorted(maps.Keys(o.links)),
				o.claims, o.calls)
		}
		return nil
	})
}

func (o *observer) awaitCalls(want ...string) {
	o.t.Helper()
	o.await(fmt.Sprint(want), func() bool { return slices.Equal(o.calls, want) })
}

func TestLinks(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	a, b := link("a", "k", "v"), link("b")
	must(t, s.PutLink(t.Context(), a))
	must(t, s.PutLink(t.Context(), b))
	must(t, s.PutLink(t.Context(), link("a", "k", "w")))
	links, err := s.Links(t.Context())
	if err != nil || len(links) != 2 || !links[0].Equal(b) || links[1].Values["k"] != "w" {
		t.Fatalf("got %v, %v", links, err)
	}
	for range 2 {
		must(t, s.DelLink(t.Context(), actor, b.ContractID, "b"))
	}
	if links, err := s.Links(t.Context()); err != nil || len(links) != 1 {
		t.Fatalf("got %v, %v", links, err)
	}
	if err := s.PutLink(t.Context(), link("a.b")); !errors.Is(err, lattice.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
}

func TestBucketOnTheWire(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	must(t, s.PutLink(t.Context(), link("default", "k", "v")))
	must(t, s.PutClaims(t.Context(), control.Claims{Subject: actor, Name: "n", Revision: 4,
		Caps: []lattice.ContractID{"a", "b"}}))
	must(t, s.PutClaims(t.Context(), control.Claims{Subject: provider, Name: "p", ContractID: "c"}))
	kv := rawBucket(t, env)
	for key, want := range map[string]string{
		"LINKDEF_" + link("default").ID(): `{"actor_id":"` + actor + `","provider_id":"` + provider +
			`","link_name":"default","contract_id":"wasmcloud:keyvalue","values":{"k":"v"}}`,
		"CLAIMS_" + actor: `{"call_alias":"","caps":"a,b","contract_id":"","iss":"","name":"n","rev":"4","sub":"` +
			actor +
			`","tags":"","version":""}`,
		"CLAIMS_" + provider: `{"contract_id":"c","iss":"","name":"p","rev":"0","sub":"` + provider + `","version":""}`,
	} {
		if e, err := kv.Get(t.Context(), key); err != nil || string(e.Value()) != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", key, err, e.Value(), want)
		}
	}
	status, err := kv.Status(t.Context())
	must(t, err)
	cfg := status.(*jetstream.KeyValueBucketStatus).StreamInfo().Config
	if cfg.MaxMsgsPerSubject != 1 || cfg.Storage != jetstream.FileStorage || cfg.Discard != jetstream.DiscardNew ||
		!cfg.DenyDelete || !cfg.AllowRollup || !cfg.AllowDirect {
		t.Errorf("stream %+v", cfg)
	}
}

func TestClaimsOfOtherHosts(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	kv := rawBucket(t, env)
	for _, body := range []string{
		`{"call_alias":"","caps":"","contract_id":"c","iss":"A","name":"old","rev":"1","sub":"V","tags":"",` +
			`"version":"1"}`,
		`{"contract_id":"c","issuer":"A","name":"new","revision":"1","subject":"V","version":"1"}`,
		`{"call_alias":"x","caps":"a","contract_id":"","iss":"A","name":"old","rev":"1","sub":"M","tags":"",` +
			`"version":"1"}`,
		`{"call_alias":"x","capabilities":["a"],"issuer":"A","name":"new","revision":"1","subject":"M","tags":[],` +
			`"version":"1"}`,
	} {
		body = strings.NewReplacer(`"M"`, `"`+actor+`"`, `"V"`, `"`+provider+`"`).Replace(body)
		key := "CLAIMS_" + actor
		if strings.Contains(body, provider) {
			key = "CLAIMS_" + provider
		}
		_, err := kv.PutString(t.Context(), key, body)
		must(t, err)
		claims, err := s.Claims(t.Context())
		must(t, err)
		c := claims[len(claims)-1]
		if c.IsProvider() != strings.HasPrefix(c.Subject, "V") || c.Issuer != "A" || c.Revision != 1 ||
			(c.IsProvider() && c.ContractID != "c") || (!c.IsProvider() && (c.CallAlias != "x" || len(c.Caps) != 1)) {
			t.Errorf("%s: got %+v", body, c)
		}
	}
}

func TestPutClaimsWritesOnlyChanges(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	c := control.Claims{Subject: actor, Name: "n", Tags: []string{"a"}}
	revision := func() uint64 {
		e, err := rawBucket(t, env).Get(t.Context(), "CLAIMS_"+actor)
		must(t, err)
		return e.Revision()
	}
	must(t, s.PutClaims(t.Context(), c))
	first := revision()
	must(t, s.PutClaims(t.Context(), c))
	if revision() != first {
		t.Fatal("the same was written again")
	}
	c.Name = "other"
	must(t, s.PutClaims(t.Context(), c))
	if revision() == first {
		t.Fatal("the change was not written")
	}
	must(t, s.DelClaims(t.Context(), actor))
	if claims, err := s.Claims(t.Context()); err != nil || len(claims) != 0 {
		t.Fatalf("got %v, %v", claims, err)
	}
}

func TestCorruptEntriesAreLeftOut(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	kv := rawBucket(t, env)
	good := `{"actor_id":"` + actor + `","provider_id":"` + provider +
		`","link_name":"default","contract_id":"c","values":{}}`
	for key, body := range map[string]string{
		"LINKDEF_" + strings.Repeat("0", 64):         good, // another link's key
		"LINKDEF_" + wire.LinkID("Mx", "c", "l"):     `{"actor_id":"Mx"}`,
		"LINKDEF_X":                                  `garbage`,
		"CLAIMS_" + actor:                            `{"sub":"` + provider + `"}`,
		"CLAIMS_" + provider:                         ``,
		"REFMAP_abc":                                 `{"oci_url":"u","public_key":"k"}`,
		"LINKDEF_" + wire.LinkID(actor, "c", "rest"): strings.Replace(good, "default", "rest", 1),
	} {
		_, err := kv.PutString(t.Context(), key, body)
		must(t, err)
	}
	o := watchStore(t, s)
	o.awaitCalls("put rest")
	links, err1 := s.Links(t.Context())
	claims, err2 := s.Claims(t.Context())
	if err1 != nil || err2 != nil || len(links) != 1 || len(claims) != 0 {
		t.Fatalf("got %v %v, %v %v", links, err1, claims, err2)
	}
}

func TestWatchReplaysThenFollows(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	must(t, s.PutLink(t.Context(), link("a")))
	must(t, s.PutLink(t.Context(), link("gone")))
	must(t, s.DelLink(t.Context(), actor, link("gone").ContractID, "gone"))
	must(t, s.PutClaims(t.Context(), control.Claims{Subject: actor, Name: "n"}))
	o := watchStore(t, s)
	o.awaitCalls("put a", "claims n")
	if o.replays != 2 {
		t.Fatalf("%d replayed", o.replays)
	}
	must(t, s.PutLink(t.Context(), link("b")))
	must(t, s.PutLink(t.Context(), link("b"))) // the same again is told
	must(t, s.PutLink(t.Context(), link("a", "k", "v")))
	must(t, s.DelLink(t.Context(), actor, link("a").ContractID, "a"))
	must(t, rawBucket(t, env).Purge(t.Context(), "LINKDEF_"+link("b").ID()))
	must(t, rawBucket(t, env).Purge(t.Context(), "LINKDEF_"+link("never").ID()))
	must(t, s.DelClaims(t.Context(), actor))
	o.awaitCalls("put a", "claims n", "put b", "put b", "put a", "del a", "del b", "unclaim n")
	if o.replays != 2 || o.caught != 1 {
		t.Fatalf("%d replayed, %d times caught up", o.replays, o.caught)
	}
}

func TestWatchSurvivesRestart(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	must(t, s.PutLink(t.Context(), link("a")))
	o := watchStore(t, s)
	env.Stop(t)
	env.Start(t)
	start := time.Now()
	other := open(t, env) // another host is quicker or not; the end is the same
	must(t, other.PutLink(t.Context(), link("b")))
	o.awaitCalls("put a", "put b")
	latticetest.Promised(t, "healing", time.Since(start), 3*time.Second)
	must(t, s.PutLink(t.Context(), link("c")))
	o.awaitCalls("put a", "put b", "put c")
}

func TestServerWithoutItsDataIsRestored(t *testing.T) {
	env := latticetest.NATS(t)
	first, second := open(t, env), open(t, env)
	must(t, first.PutLink(t.Context(), link("a", "k", "v")))
	must(t, first.PutLink(t.Context(), link("deleted")))
	must(t, first.DelLink(t.Context(), actor, link("").ContractID, "deleted"))
	must(t, first.PutClaims(t.Context(), control.Claims{Subject: actor, Name: "n"}))
	o1, o2 := watchStore(t, first), watchStore(t, second)
	before := []string{"put a", "claims n"}
	o1.awaitCalls(before...)
	o2.awaitCalls(before...)
	env.Stop(t)
	env.LoseData(t)
	env.Start(t)
	latticetest.Eventually(t, func() error {
		links, err := first.Links(t.Context())
		if err != nil {
			return err
		}
		claims, err := first.Claims(t.Context())
		if err != nil || len(links) != 1 || links[0].Values["k"] != "v" || len(claims) != 1 {
			return fmt.Errorf("stored: %v, %v, %v", links, claims, err)
		}
		return nil
	})
	must(t, second.PutLink(t.Context(), link("b")))
	o1.awaitCalls(append(before, "put b")...) // and nothing else was told
	o2.awaitCalls(append(before, "put b")...)
}

func TestBucketDeletedOnPurpose(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	s.check = 10 * time.Millisecond
	must(t, s.PutLink(t.Context(), link("a")))
	o := watchStore(t, s)
	js, err := jetstream.New(env.Conn(t))
	must(t, err)
	must(t, js.DeleteKeyValue(t.Context(), subject.KVLattice(env.Lattice)))
	o.awaitCalls("put a", "del a")
	must(t, s.PutLink(t.Context(), link("b")))
	o.awaitCalls("put a", "del a", "put b")
}

// Whatever happens to the connection, what was told adds up to what is stored, and the observer checks each step.
func TestWatchUnderReconnects(t *testing.T) {
	env := latticetest.NATS(t)
	s, writer := open(t, env), open(t, env)
	s.check = 20 * time.Millisecond
	o := watchStore(t, s)
	for i := range 300 {
		name := fmt.Sprint("l", i%7)
		if i%3 == 2 {
			must(t, writer.DelLink(t.Context(), actor, link(name).ContractID, lattice.LinkName(name)))
		} else {
			must(t, writer.PutLink(t.Context(), link(name, "i", fmt.Sprint(i))))
		}
		if i%50 == 25 {
			must(t, s.nc.ForceReconnect())
		}
	}
	links, err := writer.Links(t.Context())
	must(t, err)
	want := make(map[string]wire.LinkDefinition)
	for _, l := range links {
		want[l.ID()] = l
	}
	o.await("equal", func() bool { return reflect.DeepEqual(o.links, want) })
}

func TestWatchEndsWhileTheServerIsAway(t *testing.T) {
	env := latticetest.NATS(t)
	s := open(t, env)
	ctx, cancel := context.WithCancel(t.Context())
	o := &observer{t: t}
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, o) }()
	o.await("caught up", func() bool { return o.caught == 1 })
	env.Stop(t)
	cancel()
	select {
	case err := <-done:
		must(t, err)
	case <-time.After(2 * time.Second):
		t.Error("still watching after 2 s")
		<-done
	}
}

func TestOpenWithoutServer(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	env.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, nc, env.Lattice, Config{}); !errors.Is(err, lattice.ErrTimeout) {
		t.Fatalf("got %v", err)
	}
	if _, err := Open(t.Context(), nc, "a.b", Config{}); !errors.Is(err, lattice.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
}

func TestAliases(t *testing.T) {
	a, b := strings.Replace(actor, "MA", "MB", 1), strings.Replace(actor, "MA", "MC", 1)
	var al Aliases
	if clash := al.Put(control.Claims{Subject: a, CallAlias: "x"}); clash != "" {
		t.Fatal(clash)
	}
	if clash := al.Put(control.Claims{Subject: b, CallAlias: "x"}); string(clash) != a {
		t.Fatal(clash)
	}
	al.Put(control.Claims{Subject: provider, CallAlias: "x"})
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() {}, b},
		{func() { al.Put(control.Claims{Subject: a, CallAlias: "x"}) }, a}, // stored again: the last one wins
		{func() { al.Put(control.Claims{Subject: a, CallAlias: "y"}) }, b}, // renamed
		{func() { al.Delete(lattice.ActorID(b)) }, ""},
		{func() { al.Delete(lattice.ActorID(b)) }, ""},
	} {
		step.do()
		if id, ok := al.Lookup("x"); string(id) != step.want || ok != (step.want != "") {
			t.Fatalf("got %s, %v; want %s", id, ok, step.want)
		}
	}
	if id, _ := al.Lookup("y"); string(id) != a {
		t.Fatalf("got %s", id)
	}
}
