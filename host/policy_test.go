package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/policy"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// judge is a policy service. It permits, but for what it was told.
type judge struct {
	mu    sync.Mutex
	says  map[string]string // answers by "action target"; "" is silence; guarded by mu
	asked []policy.Request  // guarded by mu
}

func newJudge(r *rig) *judge {
	j := &judge{says: map[string]string{}}
	nc := r.env.Conn(r.t)
	_, err := nc.Subscribe("acme.policy", func(m *nats.Msg) {
		var req policy.Request
		if err := json.Unmarshal(m.Data, &req); err != nil {
			r.t.Errorf("request: %v", err)
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		j.asked = append(j.asked, req)
		answer, told := j.says[string(req.Action)+" "+req.Target.PublicKey]
		if !told {
			answer = `{"requestId":"` + req.RequestID + `","permitted":true,"message":null}`
		}
		if answer != "" {
			_ = m.Respond([]byte(answer))
		}
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return j
}

func (j *judge) say(action policy.Action, target, answer string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.says[string(action)+" "+target] = answer
}

// requests are those for one action, so far.
func (j *judge) requests(a policy.Action) (out []policy.Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.asked {
		if r.Action == a {
			out = append(out, r)
		}
	}
	return out
}

func TestPolicyService(t *testing.T) {
	r := newRig(t)
	j := newJudge(r)
	h := r.host(func(c *host.Config) {
		withProvider(c)
		c.Labels = map[string]string{"zone": "edge"}
		c.Policy = host.PolicyConfig{Topic: "acme.policy", ChangesTopic: "acme.changes", Timeout: 4 * time.Second}
	})
	key, other := latticetest.NewKey(t, 'M'), latticetest.NewKey(t, 'M')
	id := actorID(key)
	ref := r.module("1", key, signing.ActorClaims{Name: "guest", Caps: []lattice.ContractID{"acme:thing"}})

	// Permitted, with all that the dialect tells.
	r.start(h, control.ScaleActorRequest{ActorRef: ref, MaxInstances: 1})
	if got := j.requests(policy.StartActor); len(got) != 1 || got[0].Target.PublicKey != string(id) ||
		got[0].Target.Issuer != r.account.AccountID() ||
		got[0].Host.PublicKey != h.ID() || got[0].Host.LatticeID != r.env.Lattice ||
		got[0].Host.Labels["zone"] != "edge" ||
		len(got[0].Host.ClusterIssuers) != 1 || got[0].Source.PublicKey != "" {
		t.Errorf("start_actor asked %+v", got)
	}
	for range 3 {
		r.wantCall(id, "Test.Echo", "x", "x")
	}
	calls := j.requests(policy.PerformInvocation)
	if len(calls) != 1 || calls[0].Source.PublicKey != string(id) || calls[0].Source.Issuer != r.account.AccountID() ||
		calls[0].Source.Capabilities[0] != "acme:thing" {
		t.Fatalf("perform_invocation asked %+v, want once", calls)
	}

	// Revoked, and permitted again.
	change := func(body string) {
		t.Helper()
		reply, err := r.nc.Request("acme.changes", []byte(body), 5*time.Second)
		if err != nil || string(reply.Data) != `{"success":true}` {
			t.Fatalf("change: %v", err)
		}
	}
	change(`{"requestId":"` + calls[0].RequestID + `","permitted":false,"message":"revoked by Ann"}`)
	if _, err := r.call(id, "Test.Echo", "x"); !errors.Is(err, lattice.ErrDenied) ||
		!strings.Contains(err.Error(), "revoked by Ann") {
		t.Errorf("revoked: %v", err)
	}
	change(`{"request_id":"` + calls[0].RequestID + `","permitted":true}`)
	r.wantCall(id, "Test.Echo", "x", "x")

	// Outbound calls are asked for at their origin.
	j.say(policy.PerformInvocation, other.Public(), `{"permitted":false,"message":"not that one"}`)
	if _, err := r.call(id, "Test.Call", other.Public()+" Test.Echo x"); err == nil ||
		!strings.Contains(err.Error(), "not that one") {
		t.Errorf("outbound: %v", err)
	}

	// Not started: denied, or no word at all.
	failures := r.events(event.NameActorScaleFailed, event.NameProviderStartFailed)
	j.say(policy.StartActor, other.Public(), `{"permitted":false,"message":"unknown author"}`)
	for _, want := range []string{"unknown author", "no answer on acme.policy"} {
		if err := r.control.ScaleActor(context.Background(),
			control.ScaleActorRequest{ActorRef: r.module("1", other, signing.ActorClaims{Name: "other"}),
				HostID: h.ID(), MaxInstances: 1}); err != nil {
			t.Fatal(err)
		}
		if d, ok := failures.next().(event.ActorScaleFailed); !ok || d.Code != lattice.ErrDenied.Name() ||
			!strings.Contains(d.Error, want) {
			t.Errorf("%+v, want denied with %q", d, want)
		}
		j.say(policy.StartActor, other.Public(), "")
		// all decisions are forgotten
		if _, err := r.nc.Request("acme.changes", []byte("what?"), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPolicyServiceProvider(t *testing.T) {
	r := newRig(t)
	j := newJudge(r)
	h := r.host(func(c *host.Config) {
		withProvider(c)
		c.Policy = host.PolicyConfig{Topic: "acme.policy"}
	})
	thing := signing.Derive('V', "weft test thing").Public()
	j.say(policy.StartProvider, thing, `{"permitted":false,"message":"no things"}`)
	ev := r.events(event.NameProviderStartFailed, event.NameProviderStarted)
	if err := r.control.StartProvider(context.Background(),
		control.StartProviderRequest{ProviderRef: "thing", LinkName: "default", HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	if d, ok := ev.next().(event.ProviderStartFailed); !ok || d.Code != lattice.ErrDenied.Name() ||
		!strings.Contains(d.Error, "no things") {
		t.Errorf("%+v, want denied", d)
	}
	if got := j.requests(policy.StartProvider); len(got) != 1 || got[0].Target.ContractID != "acme:thing" ||
		got[0].Target.LinkName != "default" {
		t.Errorf("asked %+v", got)
	}
}

func TestPolicyRules(t *testing.T) {
	r := newRig(t)
	rules, err := policy.Parse([]byte(`default: deny
rules:
  - {name: no v2, deny: start_actor, actor: banned}
  - {allow: [start_actor, start_provider], labels: {zone: edge}}
  - {deny: perform_invocation, provider: thing, operation: Thing.Do}
  - {deny: perform_invocation, operation: Test.Version}
  - allow: perform_invocation
`))
	if err != nil {
		t.Fatal(err)
	}
	h := r.host(func(c *host.Config) {
		withProvider(c)
		c.Labels = map[string]string{"zone": "edge"}
		c.Policy.Rules = rules
	})
	ctx := context.Background()
	key := latticetest.NewKey(t, 'M')
	id := actorID(key)
	caps := []lattice.ContractID{"acme:thing"}
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key,
		signing.ActorClaims{Name: "guest", Caps: caps, Revision: 1}), MaxInstances: 1})
	r.wantCall(id, "Test.Echo", "x", "x")
	if _, err := r.call(id, "Test.Version", ""); !errors.Is(err, lattice.ErrDenied) ||
		!strings.Contains(err.Error(), "by rule 4 (line 6)") {
		t.Errorf("inbound: %v", err)
	}
	started := r.events(event.NameProviderStarted)
	if err := r.control.StartProvider(ctx, control.StartProviderRequest{ProviderRef: "thing", LinkName: "default",
		HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	p := started.next().(event.ProviderStarted)
	if err := r.control.PutLink(ctx, wire.LinkDefinition{ActorID: id, ProviderID: p.PublicKey, LinkName: "default",
		ContractID: "acme:thing"}); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error {
		_, err := r.call(id, "Test.Provider", "acme:thing Thing.See")
		return err
	})
	if _, err := r.call(id, "Test.Provider", "acme:thing Thing.Do"); err == nil ||
		!strings.Contains(err.Error(), "denied by policy: by rule 3 (line 5)") {
		t.Errorf("outbound: %v", err)
	}

	// An update starts other code.
	err = r.control.UpdateActor(ctx, control.UpdateActorRequest{HostID: h.ID(), ActorID: id,
		NewActorRef: r.module("2", key, signing.ActorClaims{Name: "banned", Caps: caps, Revision: 2})})
	if err == nil || !strings.Contains(err.Error(), `denied by policy: by rule 1 "no v2" (line 3)`) {
		t.Errorf("update: %v", err)
	}
	r.wantCall(id, "Test.Echo", "x", "x")
}

func TestPolicyConfigIsChecked(t *testing.T) {
	for _, p := range []host.PolicyConfig{{Topic: "a b"}, {Topic: "a.>"}, {ChangesTopic: "changes.only"}} {
		cfg := host.DefaultConfig()
		cfg.Policy = p
		if _, err := host.New(cfg); err == nil || !strings.Contains(err.Error(), "policy topic") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
