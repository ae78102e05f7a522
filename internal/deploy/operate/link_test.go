package operate

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// fakeProvider is a process that answers for its links.
func (r *rig) fakeProvider(t *testing.T, h *fakeHost, id lattice.ProviderID, states func() []wire.LinkState) {
	t.Helper()
	h.mu.Lock()
	h.inv.Providers = append(h.inv.Providers, control.Provider{ID: id, Name: "Store", ContractID: "acme:store",
		LinkName: lattice.DefaultLink})
	h.mu.Unlock()
	nc := r.Env.Conn(t)
	_, err := nc.Subscribe(subject.LinkStates(r.Env.Lattice, id, lattice.DefaultLink), func(m *nats.Msg) {
		b, _ := json.Marshal(states())
		_ = m.Respond(b)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPutLink(t *testing.T) {
	long.Test(t, "waits for hosts that say nothing")
	r := newRig(t)
	h := r.host(t, "one", nil)
	actor, provider := r.ActorID(t), r.ProviderID(t)
	h.run(actor, "app", "ref", 1)
	put := LinkPut{Actor: "app", Provider: "acme:store", Values: map[string]string{"k": "v"}}

	if _, err := r.PutLink(t.Context(), put); lattice.CodeOf(err) != lattice.ErrNotFound {
		t.Errorf("unknown provider: %v", err)
	}
	put.Provider = string(provider)
	if _, err := r.PutLink(t.Context(), put); lattice.CodeOf(err) != lattice.ErrInvalid {
		t.Errorf("unknown contract: %v", err)
	}
	put.ContractID = "acme:store"
	if got, err := r.PutLink(t.Context(), put); err != nil || got.State != LinkPending {
		t.Errorf("not running: %+v, %v", got, err)
	}

	var asked atomic.Int32
	var failed atomic.Bool
	// Two processes: the second is slow to take the link.
	answer := func(slow bool) func() []wire.LinkState {
		return func() []wire.LinkState {
			s := wire.LinkState{ActorID: actor, ContractID: "acme:store", LinkName: "default", State: wire.LinkActive}
			if slow && asked.Add(1) < 3 {
				return []wire.LinkState{}
			}
			if slow && failed.Load() {
				s.State, s.Error = wire.LinkFailed, "no such table"
			}
			return []wire.LinkState{s}
		}
	}
	r.fakeProvider(t, h, provider, answer(false))
	r.fakeProvider(t, r.host(t, "two", nil), provider, answer(true))
	put.Provider, put.ContractID = "store", ""
	got, err := r.PutLink(t.Context(), put)
	if err != nil || got.State != wire.LinkActive || got.ContractID != "acme:store" || got.ActorName != "app" {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := asked.Load(); n < 4 {
		t.Errorf("said active after %d answers, when the slow process had not got it", n)
	}

	failed.Store(true)
	if got, err = r.PutLink(t.Context(), put); err == nil || !strings.Contains(err.Error(), "no such table") ||
		got.State != wire.LinkFailed {
		t.Errorf("got %+v, %v", got, err)
	}
	links, err := r.Links(t.Context())
	if err != nil || len(links) == 0 || links[0].State != wire.LinkFailed || !strings.HasPrefix(links[0].Error,
		"no such table") {
		t.Errorf("got %+v, %v", links, err)
	}
}

// What will not work as it is, or was not looked at, is told at the put: values of a provider that may ignore some, and
// a contract that the actor's claims do not name. A put without such faults gets no warning.
func TestPutLinkWarns(t *testing.T) {
	for _, tc := range []struct {
		name    string
		caps    []lattice.ContractID
		values  map[string]string
		checked bool
		want    []string
	}{
		{"right", []lattice.ContractID{"acme:store"}, map[string]string{"k": "v"}, true, nil},
		{"no values", []lattice.ContractID{"acme:store"}, nil, false, nil},
		{"values of a provider of another SDK", []lattice.ContractID{"acme:store"}, map[string]string{"k": "v"}, false,
			[]string{" may ignore those that it does not know"}},
		{"claims without the contract", []lattice.ContractID{"wasmcloud:httpserver"}, nil, false,
			[]string{"the claims of app do not name acme:store, so its calls over the link are refused; " +
				"sign it with: --cap acme:store"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			h := r.host(t, "one", nil)
			actor, provider := r.ActorID(t), r.ProviderID(t)
			h.run(actor, "app", "ref", 1)
			h.mu.Lock()
			h.claims = []control.Claims{{Subject: string(actor), Name: "app", Caps: tc.caps}}
			h.mu.Unlock()
			r.fakeProvider(t, h, provider, func() []wire.LinkState {
				return []wire.LinkState{{ActorID: actor, ContractID: "acme:store", LinkName: "default",
					State: wire.LinkActive, Checked: tc.checked}}
			})
			link, err := r.PutLink(t.Context(), LinkPut{Actor: "app", Provider: "acme:store", Values: tc.values})
			if err != nil || len(link.Warnings) != len(tc.want) {
				t.Fatalf("%+v, %v; want warnings %q", link, err, tc.want)
			}
			var said []string
			r.mu.Lock()
			for _, s := range r.steps {
				said = append(said, s.Text)
			}
			r.mu.Unlock()
			for i, want := range tc.want {
				if !strings.Contains(link.Warnings[i], want) || !slices.Contains(said, "warning: "+link.Warnings[i]) {
					t.Errorf("warnings %q, said %q; want %q", link.Warnings, said, want)
				}
			}
		})
	}
}

// A put that is refused while what the link needs is away tells both, whether it is refused at once or by the provider
// after it is stored; and so does the list.
func TestALinkThatIsAwayAndRefused(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "one", nil)
	actor, provider := r.ActorID(t), r.ProviderID(t)
	h.run(actor, "app", "ref", 1)
	since := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	var refused atomic.Bool
	r.fakeProvider(t, h, provider, func() []wire.LinkState {
		s := wire.LinkState{ActorID: actor, ContractID: "acme:store", LinkName: "default", State: wire.LinkAway,
			Error: "redis is away", Code: "unavailable", Since: since}
		if refused.Load() {
			s.Refused = &wire.LinkRefusal{Error: "no such port", Code: "invalid", RetryMS: 5000}
		}
		return []wire.LinkState{s}
	})
	away := "what the link as it is needs is away since " + since.Local().Format(time.DateTime) + ": redis is away"
	put := LinkPut{Actor: "app", Provider: "store", Values: map[string]string{"k": "v"}}
	if got, err := r.PutLink(t.Context(), put); err != nil || got.State != wire.LinkAway ||
		got.Problem() != "redis is away" {
		t.Errorf("away only: %+v, %v", got, err)
	}

	refused.Store(true)
	got, err := r.PutLink(t.Context(), put)
	if lattice.CodeOf(err) != lattice.ErrInvalid || !strings.Contains(err.Error(), "no such port") ||
		!strings.HasSuffix(err.Error(), "; "+away) {
		t.Errorf("refused after it was stored: %+v, %v", got, err)
	}
	links, err := r.Links(t.Context())
	if err != nil || len(links) == 0 || links[0].Summary() != "away (new values refused)" ||
		links[0].Problem() != "redis is away; new values were refused: no such port; next try in 5s" ||
		!links[0].Since.Equal(since) {
		t.Errorf("links: %+v, %v", links, err)
	}

	h.mu.Lock()
	h.refuses = &lattice.Error{Code: lattice.ErrInvalid,
		Detail: "the provider refuses it, the link stays as it was: no such port"}
	h.mu.Unlock()
	if _, err := r.PutLink(t.Context(), put); lattice.CodeOf(err) != lattice.ErrInvalid ||
		!strings.Contains(err.Error(), "the link stays as it was") || !strings.HasSuffix(err.Error(), "; "+away) {
		t.Errorf("refused at once: %v", err)
	}
}

// A link that its provider cannot use for anything as it is gets a warning at the put, also where it is of the values
// that are missing.
func TestPutLinkWarnsOfAMissingValue(t *testing.T) {
	client := Builtin{Name: "httpclient", ID: lattice.ProviderID("V" + strings.Repeat("A", 55)),
		ContractID: "wasmcloud:httpclient"}
	l := &Lattice{cfg: Config{Builtins: []Builtin{client}}}
	v := &View{builtins: l.cfg.Builtins}
	for hosts, want := range map[string][]string{
		"": {"without allowed_hosts the link denies all requests; give it such as " +
			"allowed_hosts=example.com"},
		"example.com": nil,
	} {
		got, err := l.checkValues(v, wire.LinkDefinition{ActorID: lattice.ActorID("M" + strings.Repeat("A", 55)),
			ProviderID: client.ID, ContractID: client.ContractID, LinkName: lattice.DefaultLink,
			Values: map[string]string{"allowed_hosts": hosts}})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("allowed_hosts=%s: %q, %v; want %q", hosts, got, err, want)
		}
	}
}

// A version that is said of an interface, and that the actor does not export, is refused as a call of it is; one of the
// same track, and none, are for the link.
func TestAVersionThatTheActorDoesNotExportIsRefused(t *testing.T) {
	id := lattice.ActorID("M" + strings.Repeat("A", 55))
	v := &View{Claims: []control.Claims{{Subject: string(id), Name: "pricer",
		Interfaces: "export acme:shop/pricer@0.1.2#quote: func() -> u32\n"}}}
	for face, want := range map[string]string{
		"acme:shop/pricer":       "",
		"acme:shop/pricer@0.1.0": "",
		"acme:shop/other@0.9.0":  "", // which the interface itself tells
		"acme:shop/pricer@0.9.0": "link acme:shop/pricer@0.9.0: not found: pricer exports acme:shop/pricer@0.1.2; " +
			"say that version, or none",
	} {
		r := LinkPut{Provider: "pricer", ContractID: lattice.ContractID(face)}
		_, err := v.serving(&r, id)
		if got := errText(err); got != want || lattice.CodeOf(err) != 0 && lattice.CodeOf(err) != lattice.ErrNotFound {
			t.Errorf("%s: %s; want %s", face, got, want)
		}
		if contract, _, _ := strings.Cut(face, "@"); string(r.ContractID) != contract {
			t.Errorf("%s: the link is for %s", face, r.ContractID)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What runs on no host is said by name, with the command that starts it: in the list of links to an actor and to a
// provider, and to who calls the actor by hand.
func TestWhatRunsNowhereIsSaid(t *testing.T) {
	r := newRig(t)
	h := r.host(t, "one", nil)
	app, pricer, store := r.ActorID(t), r.ActorID(t), r.ProviderID(t)
	h.run(app, "app", "ref", 1)
	h.mu.Lock()
	h.claims = []control.Claims{{Subject: string(pricer), Name: "pricer"}, {Subject: string(store), Name: "store"}}
	h.mu.Unlock()
	r.mu.Lock()
	r.links = []wire.LinkDefinition{{ActorID: app, ProviderID: lattice.ProviderID(pricer), LinkName: "default",
		ContractID: "acme:shop/pricer"},
		{ActorID: app, ProviderID: store, LinkName: "default", ContractID: "acme:store"}}
	r.mu.Unlock()
	links, err := r.Links(t.Context())
	if err != nil || len(links) != 2 {
		t.Fatalf("%+v, %v", links, err)
	}
	for i, want := range []string{"pricer runs on no host; start it with: weft actor start REFERENCE",
		"no process of store serves link name default; start one with: weft provider start"} {
		if links[i].State != LinkPending || links[i].Problem() != want {
			t.Errorf("%s: %s; want %s", links[i].State, links[i].Problem(), want)
		}
	}
	_, err = r.Call(t.Context(), CallRequest{Actor: "pricer", Operation: "quote", Cluster: r.Cluster})
	if lattice.CodeOf(err) != lattice.ErrNoResponders || !strings.HasSuffix(err.Error(),
		"no responders: pricer runs on no host; start it with: weft actor start REFERENCE") {
		t.Errorf("a call: %v", err)
	}
}
