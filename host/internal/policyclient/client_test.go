package policyclient_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/policyclient"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/policy"
)

// service is a policy service that answers by a function of the request; "" is silence.
type service struct {
	t   *testing.T
	env *latticetest.Env
	nc  *nats.Conn

	mu       sync.Mutex
	requests []policy.Request // guarded by mu
}

func newService(t *testing.T, env *latticetest.Env, answer func(policy.Request) string) *service {
	s := &service{t: t, env: env, nc: env.Conn(t)}
	if _, err := s.nc.Subscribe("policy.ask", func(m *nats.Msg) {
		var r policy.Request
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Errorf("request: %v", err)
		}
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		if text := answer(r); text != "" {
			_ = m.Respond([]byte(text))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) asked() []policy.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]policy.Request{}, s.requests...)
}

func (s *service) client(change func(*policyclient.Config)) *policyclient.Client {
	s.t.Helper()
	cfg := policyclient.Config{Topic: "policy.ask", Changes: "policy.changes", Timeout: 5 * time.Second,
		Logger: s.env.Logger}
	if change != nil {
		change(&cfg)
	}
	c, err := policyclient.New(s.env.Conn(s.t), cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

func permit(r policy.Request) string { return `{"requestId":"` + r.RequestID + `","permitted":true}` }

func TestClientCaches(t *testing.T) {
	s := newService(t, latticetest.NATS(t), func(r policy.Request) string {
		if r.Target.PublicKey == "MPAY" {
			return `{"requestId":"x","permitted":false,"message":"not today"}`
		}
		return permit(r)
	})
	c := s.client(nil)
	for range 3 {
		for _, tt := range []struct {
			q    policy.Question
			want policy.Decision
		}{
			{call(shop, redis, "KeyValue.Get"), policy.Decision{Permitted: true, By: "policy service"}},
			// the dialect knows no operations
			{call(shop, redis, "KeyValue.Set"), policy.Decision{Permitted: true, By: "policy service"}},
			{call(shop, pay, "x"), policy.Decision{Message: "not today", By: "policy service"}},
			{start(shop), policy.Decision{Permitted: true, By: "policy service"}},
		} {
			if got := c.Decide(context.Background(), &tt.q); got != tt.want {
				t.Errorf("%+v: %+v, want %+v", tt.q, got, tt.want)
			}
		}
	}
	if n := len(s.asked()); n != 3 {
		t.Errorf("the service was asked %d times, want 3", n)
	}
	c.Forget()
	q := start(shop)
	if c.Decide(context.Background(), &q); len(s.asked()) != 4 {
		t.Error("what was forgotten is still there")
	}
}

func TestClientFailsClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string
		change func(*policyclient.Config)
		want   string
	}{
		"silent": {"", func(c *policyclient.Config) { c.Timeout = 50 * time.Millisecond },
			"no answer on policy.ask within 50ms"},
		"nobody": {"", func(c *policyclient.Config) { c.Topic = "policy.nobody" },
			"nobody serves policy.nobody"},
		"no JSON":       {"yes", nil, "read policy decision"},
		"no word of it": {`{"requestId":"x"}`, nil, "permitted is missing"},
		"another type":  {`{"permitted":"true"}`, nil, "read policy decision"},
		"null":          {`null`, nil, "permitted is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, latticetest.NATS(t), func(policy.Request) string { return tt.answer })
			c := s.client(tt.change)
			q := start(shop)
			for range 2 {
				if d := c.Decide(context.Background(), &q); d.Permitted || !strings.Contains(d.Message, tt.want) {
					t.Errorf("%+v, want a refusal with %q", d, tt.want)
				}
			}
			if n := len(s.asked()); name != "nobody" && n != 2 {
				t.Errorf("asked %d times: the failure is remembered", n)
			}
		})
	}
}

func TestClientChanges(t *testing.T) {
	s := newService(t, latticetest.NATS(t), permit)
	c := s.client(nil)
	q := call(shop, redis, "x")
	if !c.Decide(context.Background(), &q).Permitted {
		t.Fatal("denied")
	}
	id := s.asked()[0].RequestID
	change := func(text string) string {
		t.Helper()
		reply, err := s.nc.Request("policy.changes", []byte(text), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply.Data)
	}
	for _, tt := range []struct {
		text, reply string
		want        bool
	}{
		{`{"requestId":"` + id + `","permitted":false,"message":"revoked"}`, `{"success":true}`, false},
		{`{"request_id":"` + id + `","permitted":true}`, `{"success":true}`, true},
		{`{"request_id":"` + id + `","permitted":false}`, `{"success":true}`, false},
		{`{"requestId":"somebody else's","permitted":true}`, `{"success":false}`, false},
		// unreadable: asked anew
		{`{"requestId":"a","request_id":"` + id + `","permitted":true}`, `{"success":false}`, true},
	} {
		if got := change(tt.text); got != tt.reply {
			t.Errorf("%s: reply %s, want %s", tt.text, got, tt.reply)
		}
		if d := c.Decide(context.Background(), &q); d.Permitted != tt.want {
			t.Errorf("after %s: %+v", tt.text, d)
		}
	}
	if n := len(s.asked()); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

// A change that is quicker than the answer counts.
func TestClientChangeBeforeAnswer(t *testing.T) {
	var s *service
	ready := make(chan struct{})
	s = newService(t, latticetest.NATS(t), func(r policy.Request) string {
		<-ready
		reply, err := s.env.Conn(t).Request("policy.changes",
			[]byte(`{"requestId":"`+r.RequestID+`","permitted":false,"message":"revoked"}`), 5*time.Second)
		if err != nil || string(reply.Data) != `{"success":true}` {
			t.Errorf("change: %v", err)
		}
		return permit(r)
	})
	close(ready)
	c := s.client(nil)
	q := start(shop)
	for range 2 {
		if d := c.Decide(context.Background(), &q); d.Permitted || d.Message != "revoked" {
			t.Errorf("%+v, want revoked", d)
		}
	}
}

// Many callers with one question ask once, and the remembered decisions are bounded.
func TestClientBounds(t *testing.T) {
	release := make(chan struct{})
	s := newService(t, latticetest.NATS(t), func(r policy.Request) string { <-release; return permit(r) })
	c := s.client(func(c *policyclient.Config) { c.Decisions = 10 })
	var wg sync.WaitGroup
	var permitted atomic.Int32
	for range 20 {
		wg.Go(func() {
			if q := start(shop); c.Decide(context.Background(), &q).Permitted {
				permitted.Add(1)
			}
		})
	}
	latticetest.Eventually(t, func() error {
		if len(s.asked()) != 1 {
			return fmt.Errorf("asked %d times", len(s.asked()))
		}
		return nil
	})
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	if q := start(shop); c.Decide(canceled, &q).Permitted {
		t.Error("who gives up waiting is permitted")
	}
	close(release)
	wg.Wait()
	if permitted.Load() != 20 || len(s.asked()) != 1 {
		t.Errorf("%d of 20 permitted, asked %d times", permitted.Load(), len(s.asked()))
	}
	ask := func(i int) {
		q := start(policy.Party{Kind: policy.Actor, Key: fmt.Sprint("M", i)})
		c.Decide(context.Background(), &q)
	}
	for i := range 10 { // the first question is the one that goes
		ask(i)
	}
	before := len(s.asked())
	ask(0)
	if len(s.asked()) != before {
		t.Error("forgotten too early")
	}
	q := start(shop)
	if c.Decide(context.Background(), &q); len(s.asked()) != before+1 {
		t.Error("more is remembered than was allowed")
	}
}

// Changes that came while the connection was lost were missed, so that nothing of before counts.
func TestClientForgetsOnReconnect(t *testing.T) {
	env := latticetest.NATS(t)
	s := newService(t, env, permit)
	c := s.client(nil)
	q := start(shop)
	if !c.Decide(context.Background(), &q).Permitted {
		t.Fatal("denied")
	}
	env.Stop(t)
	env.Start(t)
	latticetest.Eventually(t, func() error {
		if d := c.Decide(context.Background(), &q); !d.Permitted || len(s.asked()) < 2 {
			return fmt.Errorf("%+v, asked %d times", d, len(s.asked()))
		}
		return nil
	})
}

// Every service can read the request: the golden form has no nulls.
func TestRequestForm(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	q := call(policy.Party{Key: "M", Issuer: "A", Caps: []lattice.ContractID{"c:d"}, IssuedAt: 1_600_000_000,
		Expires: 1_650_000_000}, redis, "Op")
	q.Host = policy.Host{ID: "N", Cluster: "C", Lattice: "l", Labels: map[string]string{"a": "b"},
		Issuers: []lattice.ClusterID{"C"}}
	for _, tt := range []struct {
		q    policy.Question
		want string
	}{
		{q, `{"requestId":"id","action":"perform_invocation","source":{"publicKey":"M","contractId":"","linkName":"",` +
			`"capabilities":["c:d"],"issuer":"A","issuedOn":"2020-09-13T12:26:40Z","expiresAt":1650000000,` +
			`"expired":true},"target":{"publicKey":"VREDIS","issuer":"AOURS","contractId":"wasmcloud:keyvalue",` +
			`"linkName":"default"},"host":{"publicKey":"N","issuer":"C","latticeId":"l","labels":{"a":"b"},` +
			`"clusterIssuers":["C"]}}`},
		{policy.Question{Action: policy.StartActor, Target: pay},
			`{"requestId":"id","action":"start_actor","source":{"publicKey":"","contractId":"","linkName":"",` +
				`"capabilities":[],"issuer":"","issuedOn":"","expiresAt":1700000060,"expired":false},` +
				`"target":{"publicKey":"MPAY","issuer":"AOTHER","contractId":"","linkName":""},` +
				`"host":{"publicKey":"","issuer":"","latticeId":"","labels":{},"clusterIssuers":[]}}`},
	} {
		got, err := json.Marshal(policyclient.NewRequest("id", &tt.q, now))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s, %v\nwant %s", got, err, tt.want)
		}
	}
}

func TestClientConfig(t *testing.T) {
	for _, bad := range []policyclient.Config{{}, {Changes: "a"}, {Topic: "a b"}, {Topic: "a.*"}, {Topic: ">"},
		{Topic: "a..b"}, {Topic: ".a"}, {Topic: "a."}, {Topic: "a", Changes: "b.>"}} {
		if _, err := policyclient.New(nil, bad); lattice.CodeOf(err) != lattice.ErrInvalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"requestId":"a","permitted":true,"message":null}`))
	f.Add([]byte(`{"request_id":"a","permitted":false,"message":"no"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := policyclient.DecodeResponse(data)
		if err != nil {
			if r.Permitted || lattice.CodeOf(err) != lattice.ErrInvalid {
				t.Errorf("%+v, %v", r, err)
			}
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := policyclient.DecodeResponse(again); err != nil || back.Permitted != r.Permitted ||
			back.RequestID != r.RequestID {
			t.Errorf("%+v became %+v, %v", r, back, err)
		}
	})
}
