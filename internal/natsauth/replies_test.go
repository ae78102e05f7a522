package natsauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice/subject"
)

// NATS does not check whether a client may publish to the reply subject of its message. So no role gets a message in
// that wants its answer anywhere but in an inbox: not JetStream's answers, deliveries and acknowledgements, and not
// those of a host or an actor. The same messages within the server's process, where replies are not looked at, arrive:
// so they are what would go wrong.
func TestRepliesGoToInboxesOnly(t *testing.T) {
	r := newRealm(t)
	host := r.role(natsauth.Host)
	prov, _ := r.provider(host, natsauth.Needs{})
	keeper, _ := r.provider(host, natsauth.Needs{Storage: true})
	server := r.connect(host)
	js, err := jetstream.New(server)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(edge)}); err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: subject.KVLattice(edge)})
	if err != nil {
		t.Fatal(err)
	}
	const victim = "LINKDEF_victim"
	if _, err := kv.PutString(ctx, victim, "good"); err != nil {
		t.Fatal(err)
	}
	// An actor's host answers; an operator asks on the control interface, too.
	actor := subject.Actor(edge, actorID)
	for _, subj := range []string{actor, subject.Control{Lattice: edge}.PingHosts()} {
		if _, err := server.Subscribe(subj, func(m *nats.Msg) { _ = m.Respond([]byte("answer")) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.FlushTimeout(patience); err != nil {
		t.Fatal(err)
	}
	watcher, _ := r.issue(natsauth.Identity{Roles: []natsauth.Role{natsauth.Operator}, Subscribe: []string{">"}})
	w := r.connect(watcher)
	// Where the answers would do harm: the lattice's state, JetStream's requests past the gate, commands, events.
	targets := []string{"$KV." + subject.KVLattice(edge) + "." + victim,
		"$JS.API.STREAM.DELETE.KV_" + subject.KVLattice(edge) + "x",
		"wasmbus.ctl.edge.cmd." + hostID + ".stp", subject.Event(edge), "_INBOX", "_inbox.x", "_INBOX_x"}
	stream := subject.ChunkStream(edge)
	all := map[string]natsauth.Credentials{"host": host, "operator": r.role(natsauth.Operator), "provider": prov,
		"keeper": keeper}
	for _, inside := range []bool{false, true} { // last, since what it causes may come late
		for who, creds := range all {
			connect := r.connect
			if inside {
				connect = r.inside
			}
			nc := connect(creds)
			data := subject.ChunkData(edge, "x"+who)
			if _, err := nc.Request(data, []byte("stored"), patience); err != nil {
				t.Fatal(err)
			}
			made, err := nc.Request("$JS.API.CONSUMER.CREATE."+stream,
				fmt.Appendf(nil, `{"stream_name":%q,"config":{"ack_policy":"explicit"}}`, stream), patience)
			if err != nil {
				t.Fatal(err)
			}
			var consumer struct{ Name string }
			if err := json.Unmarshal(made.Data, &consumer); err != nil || consumer.Name == "" {
				t.Fatalf("%s: %s, %v", who, made.Data, err)
			}
			next := "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer.Name
			first, err := nc.Request(next, nil, patience)
			if err != nil {
				t.Fatal(err)
			}
			requests := []*nats.Msg{
				{Subject: "$JS.API.INFO"}, {Subject: "$JS.API.STREAM.INFO." + stream},
				{Subject: "$JS.API.DIRECT.GET." + stream, Data: []byte(`{"seq":1}`)},
				{Subject: "$JS.API.DIRECT.GET." + stream + "." + data}, {Subject: "$JS.API.STREAM.MSG.GET." + stream,
					Data: []byte(`{"seq":1}`)},
				{Subject: first.Reply, Data: []byte("+NXT {\"no_wait\":true}")},
				{Subject: next, Data: []byte(`{"no_wait":true}`)},
				{Subject: data, Data: []byte("x")}, {Subject: data, Header: nats.Header{"A": {"b"}},
					Data: []byte("x")}, {Subject: actor, Data: []byte("x")},
			}
			if who == "operator" {
				requests = append(requests, &nats.Msg{Subject: subject.Control{Lattice: edge}.PingHosts(),
					Data: []byte("x")})
			}
			for _, target := range targets {
				heard, err := w.SubscribeSync(target)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.FlushTimeout(patience); err != nil {
					t.Fatal(err)
				}
				for _, m := range requests {
					m.Reply = target
					if err := nc.PublishMsg(m); err != nil {
						t.Fatal(err)
					}
				}
				if err := nc.FlushTimeout(patience); err != nil {
					t.Fatal(err)
				}
				if inside {
					if m, err := heard.NextMsg(patience); err != nil { // so the test can fail
						t.Errorf("%s inside, reply %s: %v, %v", who, target, m, err)
					}
				} else if err := nc.LastError(); err == nil || !strings.Contains(err.Error(), noInbox) {
					t.Errorf("%s is not told why, reply %s: %v", who, target, err)
				}
				if !inside {
					// The same requests with an inbox are answered; whatever the former had caused is there by then.
					for _, m := range requests {
						m.Reply = ""
						ask := nats.NewMsg(m.Subject)
						ask.Data, ask.Header = m.Data, m.Header
						if slices.Contains([]string{first.Reply, next}, m.Subject) {
							continue // an answer at most once
						}
						if _, err := nc.RequestMsg(ask, patience); err != nil {
							t.Errorf("%s asks %s: %v", who, m.Subject, err)
						}
					}
					if n, _, err := heard.Pending(); n != 0 || err != nil {
						m, _ := heard.NextMsg(patience)
						t.Errorf("%s made something say on %s: %v, %v", who, target, m, err)
					}
				}
				if err := heard.Unsubscribe(); err != nil {
					t.Fatal(err)
				}
			}
			if e, err := kv.Get(ctx, victim); !inside && (err != nil || string(e.Value()) != "good") {
				t.Errorf("after %s the link is %v, %v", who, e, err)
			}
		}
	}
}
