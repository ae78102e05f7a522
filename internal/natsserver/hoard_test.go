package natsserver

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/grant"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
)

// A hoard of consumers that a server finds at its start counts as one that it saw being made.
func TestHoardOfConsumersIsBoundedAfterARestart(t *testing.T) {
	authority, err := signing.New(signing.KindAccount)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := natsauth.Issue(authority, natsauth.Identity{Lattice: "l", Roles: []natsauth.Role{natsauth.Operator}})
	if err != nil {
		t.Fatal(err)
	}
	user, err := signing.FromSeed(c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	dir, stream, bucket := t.TempDir(), subject.ChunkStream("l"), subject.ChunkBucket("l")
	const most = 20
	for run, consumers := range []int{most, most / 2} {
		s, err := Start(t.Context(), Config{Port: -1, DataDir: dir, Users: natsauth.NewVerifier(authority.Public(), "",
			nil)})
		if err != nil {
			t.Fatal(err)
		}
		s.door.gate.most = most
		nc, err := nats.Connect(s.URL(), nats.CustomInboxPrefix(grant.OperatorInbox("l")),
			nats.UserJWT(func() (string, error) { return c.JWT, nil },
				func(nonce []byte) ([]byte, error) { return user.Sign(nonce), nil }))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(request, body string, answer any) {
			t.Helper()
			m, err := nc.Request("$JS.API."+request, []byte(body), time.Minute)
			if err == nil {
				err = json.Unmarshal(m.Data, answer)
			}
			if err != nil {
				t.Fatalf("%s: %v", request, err)
			}
		}
		var made server.JSApiStreamCreateResponse
		if ask("STREAM.CREATE."+stream,
			fmt.Sprintf(`{"name":%q,"subjects":["$O.%[2]s.C.>","$O.%[2]s.M.>"],"retention":"limits","storage":"file",`+
				`"num_replicas":1}`, stream, bucket), &made); made.Error != nil {
			t.Fatal(made.Error)
		}
		for i := range consumers {
			var made server.JSApiConsumerCreateResponse
			ask("CONSUMER.CREATE."+stream,
				fmt.Sprintf(`{"stream_name":%q,"config":{"ack_policy":"none","inactive_threshold":%d}}`, stream,
					5*time.Minute), &made)
			if made.Error != nil {
				t.Fatalf("run %d, consumer %d: %v", run, i, made.Error)
			}
		}
		var info server.JSApiStreamInfoResponse
		if ask("STREAM.INFO."+stream, "", &info); info.StreamInfo == nil || info.State.Consumers != most {
			t.Errorf("run %d: %+v, want %d consumers", run, info.StreamInfo, most)
		}
		nc.Close()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
