package attack

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Whoever may publish on NATS can send a host nonsense: each is refused or left out, and the host serves on.
func TestHostilePeer(t *testing.T) {
	r := newRig(t)
	c := subject.Control{Prefix: subject.DefaultControlPrefix, Lattice: r.env.Lattice}
	deep := strings.Repeat("[", 500_000)
	wide := `{"actor_ref":"x","count":1,"annotations":{` + strings.Repeat(`"a":"b",`, 100_000) + `"z":"z"}}`

	r.attack("JSON bombs in control requests", func(t *testing.T) {
		for _, cmd := range []string{subject.CmdStartActor, subject.CmdScaleActor, subject.CmdStopActor,
			subject.CmdUpdateActor, subject.CmdStartProvider,
			subject.CmdStopProvider, subject.CmdStopHost, subject.CmdDrainHost, "nonsense"} {
			for _, body := range []string{deep, strings.Repeat(`{"a":`, 150_000), `"` + strings.Repeat("a", 900_000) +
				`"`, `{"count":1e999999999`, "\x00\xff"} {
				m, err := r.nc.Request(c.Command(r.ID, cmd), []byte(body), patience)
				if err != nil {
					t.Fatalf("%s: %v", cmd, err)
				}
				code := m.Header.Get("Weft-Error")
				if !strings.Contains(string(m.Data), `"accepted":false`) || code != lattice.ErrInvalid.Name() &&
					code != lattice.ErrNotFound.Name() {
					t.Errorf("%s %.20s: %.200s, code %q", cmd, body, m.Data, code)
				}
			}
		}
		m, err := r.nc.Request(c.LinkPut(), []byte(deep), patience)
		if err != nil || !strings.Contains(string(m.Data), `"accepted":false`) {
			t.Errorf("a link: %v, %v", m, err)
		}
		if m, err = r.nc.Request(c.Command(r.ID, subject.CmdScaleActor), []byte(wide), patience); err != nil {
			t.Errorf("many annotations: %v, %v", m, err)
		}
	})

	r.attack("5000 commands at once", func(t *testing.T) {
		inbox := nats.NewInbox()
		answers, err := r.nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answers.Unsubscribe() }()
		const n = 5000
		for i := range n {
			body := fmt.Sprintf(`{"actor_ref":"127.0.0.1:9/nobody/%d:1","count":1}`, i)
			if err := r.nc.PublishRequest(c.Command(r.ID, subject.CmdScaleActor), inbox, []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		accepted, busy := 0, 0
		for range n {
			m, err := answers.NextMsg(patience)
			switch {
			case err != nil:
				t.Fatal(err)
			case strings.Contains(string(m.Data), `"accepted":true`):
				accepted++
			case m.Header.Get("Weft-Error") == lattice.ErrBusy.Name():
				busy++
			default:
				t.Fatalf("%s", m.Data)
			}
		}
		t.Logf("%d accepted, %d busy", accepted, busy)
		latticetest.Eventually(t, func() error { // commands are taken again
			return r.ctl.PutLabel(t.Context(), r.ID, "after", "flood")
		})
	})

	r.attack("msgpack bombs and garbage for an actor", func(t *testing.T) {
		ref, id := r.module("target", echo())
		if code, text := r.start(ref); code != 0 {
			t.Fatal(text)
		}
		for what, body := range map[string]string{
			"nothing": "", "nested arrays": strings.Repeat("\x91", 900_000), "nested maps": strings.Repeat("\x81\xa1a",
				300_000),
			"an array of 4 G": "\xdd\xff\xff\xff\xff", "a map of 4 G": "\xdf\xff\xff\xff\xff",
			"bytes of 4 G":               "\xc6\xff\xff\xff\xff",
			"a map of 4 G in the origin": "\x81\xa6origin\xdf\xff\xff\xff\xff", "a megabyte of keys": "\xde\xff\xff" +
				strings.Repeat("\xa1a\xc0", 65535),
			"never used": "\xc1", "text": "GET / HTTP/1.1\r\n\r\n",
		} {
			m, err := r.nc.Request(subject.Actor(r.env.Lattice, id), []byte(body), patience)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			answer, err := wire.DecodeResponse(m.Data)
			if code := m.Header.Get("Weft-Error"); err != nil || answer.Error == "" ||
				code != lattice.ErrInvalid.Name() && code != lattice.ErrTokenMalformed.Name() {
				t.Errorf("%s: %v, %v, code %q", what, answer, err, code)
			}
		}
	})

	r.attack("100 calls that claim a payload that is not there", func(t *testing.T) {
		ref, id := r.module("claimed", echo())
		if code, text := r.start(ref); code != 0 {
			t.Fatal(text)
		}
		inbox := nats.NewInbox()
		answers, err := r.nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answers.Unsubscribe() }()
		for range 100 {
			i := &wire.Invocation{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id), Operation: "Test.Echo",
				ID:     uuid.NewString(),
				HostID: r.ID, ContentLength: 1 << 20, EncodedClaims: "a.b.c"}
			m := &nats.Msg{Subject: subject.Actor(r.env.Lattice, id), Reply: inbox, Data: i.Encode(),
				Header: nats.Header{"Weft-Timeout-Ms": {"500"}}}
			if err := r.nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			m, err := answers.NextMsg(patience)
			if err != nil {
				t.Fatal(err)
			}
			if code := m.Header.Get("Weft-Error"); code == "" || code == lattice.ErrInternal.Name() {
				t.Errorf("answered with code %q: %s", code, m.Data)
			}
		}
	})

	r.attack("garbage among links and claims", func(t *testing.T) {
		js, err := jetstream.New(r.nc)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		kv, err := js.KeyValue(ctx, subject.KVLattice(r.env.Lattice))
		if err != nil {
			t.Fatal(err)
		}
		garbage := []string{"", "null", "[]", "{", deep[:90_000], `{"actor_id":1}`, `{"values":{"a":{"b":[]}}}`,
			"\x00\xff", `{"call_alias":"` + strings.Repeat("x", 100_000) + `"}`}
		n := 0
		for range 20 {
			for _, g := range garbage {
				n++
				for _, key := range []string{subject.KVLinkKey(fmt.Sprintf("%064d", n)),
					subject.KVClaimsKey(fmt.Sprintf("M%055d", n)), fmt.Sprintf("ANYTHING_%d", n)} {
					if _, err := kv.Put(ctx, key, []byte(g)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		// What is good and comes after it is taken in.
		good := wire.LinkDefinition{ActorID: r.env.ActorID(t), ProviderID: r.env.ProviderID(t), LinkName: "default",
			ContractID: "acme:thing",
			Values:     map[string]string{"a": "b"}}
		if err := r.ctl.PutLink(ctx, good); err != nil {
			t.Fatal(err)
		}
		latticetest.Eventually(t, func() error {
			links, err := r.ctl.Links(ctx)
			if err == nil && (len(links) != 1 || !links[0].Equal(good)) {
				err = fmt.Errorf("links %v", links)
			}
			return err
		})
	})

	r.attack("a flood of garbage on every subject of the host", func(t *testing.T) {
		for i := range 20_000 {
			s := []string{c.GetClaims(), c.GetLinks(), c.PingHosts(), c.Inventory(r.ID), c.AuctionActor(), c.LinkDel(),
				c.LabelPut(r.ID), c.RegistriesPut(),
				subject.Event(r.env.Lattice), subject.Beat(r.env.Lattice, r.ID)}[i%10]
			if err := r.nc.PublishRequest(s, "nobody.listens", []byte("\x00garbage")); err != nil {
				t.Fatal(err)
			}
		}
		latticetest.Eventually(t, func() error {
			_, err := r.ctl.Inventory(t.Context(), r.ID)
			return err
		})
	})
}
