package host_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// What wash asks, the lattice's name as %s.
var appRequests = []string{"put", "list", "get.shop", "versions.shop", "del.shop", "deploy.shop", "undeploy.shop",
	"status.shop", "put.shop.v1"}

func TestAppRequestsWithoutManager(t *testing.T) {
	r := newRig(t)
	r.host(nil)
	r.host(nil) // only one of them answers
	for _, op := range appRequests {
		inbox := r.nc.NewInbox()
		sub, err := r.nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.nc.PublishRequest("wadm.api."+string(r.env.Lattice)+".model."+op, inbox, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		m, err := sub.NextMsg(2 * time.Second) // as long as wash waits
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		var answer struct{ Result, Message string }
		if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Result != "error" ||
			!strings.Contains(answer.Message, "weft up -f") {
			t.Errorf("%s: %s, %v", op, m.Data, err)
		}
		// The next request is asked for by the same hosts after this one, so a second answer to this one would be here.
		if _, err := r.nc.Request("wadm.api."+string(r.env.Lattice)+".model.list", nil, 2*time.Second); err != nil {
			t.Fatal(err)
		}
		if n, _, _ := sub.Pending(); n != 0 {
			t.Errorf("%s: answered twice", op)
		}
		_ = sub.Unsubscribe()
	}
}

// TestAppRequestsWithManager plays a manager, which takes everything below wadm.api in a group of its own.
func TestAppRequestsWithManager(t *testing.T) {
	r := newRig(t)
	r.host(nil)
	manager := r.env.Conn(t)
	if _, err := manager.QueueSubscribe("wadm.api.>", "wadm_server", func(m *nats.Msg) {
		// Slower than a host would be, so that the host's answer would be first.
		time.AfterFunc(100*time.Millisecond, func() { _ = m.Respond([]byte(`{"result":"from the manager"}`)) })
	}); err != nil {
		t.Fatal(err)
	}
	if err := manager.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, op := range appRequests {
		m, err := r.nc.Request("wadm.api."+string(r.env.Lattice)+".model."+op, nil, 2*time.Second)
		if err != nil || !strings.Contains(string(m.Data), "from the manager") {
			t.Errorf("%s: %v, %v", op, m, err)
		}
	}
	manager.Close()
	m, err := r.nc.Request("wadm.api."+string(r.env.Lattice)+".model.list", nil, 2*time.Second)
	for end := time.Now().Add(10 * time.Second); err == nil && !strings.Contains(string(m.Data), "weft up") &&
		time.Now().Before(end); {
		m, err = r.nc.Request("wadm.api."+string(r.env.Lattice)+".model.list", nil, 2*time.Second)
	}
	if err != nil || !strings.Contains(string(m.Data), "weft up") {
		t.Errorf("once the manager is gone: %v, %v", m, err)
	}
}
