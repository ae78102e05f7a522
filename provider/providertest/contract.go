package providertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// Config says which provider to test, and what it needs.
type Config struct {
	Info provider.Info
	New  provider.Factory // runs inside the test
	// Command runs the provider as a process instead; Environ is all of its environment besides PATH.
	Command, Environ []string
	ConfigJSON       string // configuration of the process
	// Values makes values for a link. Several links with values of different n live side by side; nil gives none.
	Values func(t testing.TB, n int) map[string]string
	// Operation and Payload are a call that any linked actor may make. Empty for a provider that serves no calls.
	Operation string
	Payload   []byte
	// BadValues are refused by PutLink with a clear error; nil when the provider accepts anything.
	BadValues map[string]string
	// Serves says why a link with some values does not do its work; nil when a call of Operation shows that.
	Serves func(actor lattice.ActorID, values map[string]string) error
	// Channel gives the process a local channel, over which calls then go; Inside gives it one as a provider has that
	// runs in its host's process. Run checks all ways in any case.
	Channel, Inside bool
}

func (c Config) values(t testing.TB, n int) map[string]string {
	if c.Values == nil {
		return map[string]string{"n": fmt.Sprint(n)}
	}
	return c.Values(t, n)
}

// Run checks the contract.
func Run(t *testing.T, cfg Config) {
	for _, way := range []string{"over NATS", "over the local channel", "inside the host"} {
		cfg.Channel, cfg.Inside = way == "over the local channel", way == "inside the host"
		if cfg.Inside && len(cfg.Command) > 0 {
			continue // it is a process
		}
		t.Run(way, func(t *testing.T) { run(t, cfg) })
	}
}

func run(t *testing.T, cfg Config) {
	env := NewLattice(t)
	for name, check := range map[string]func(*testing.T, *Lattice, Config){
		"initial links":             initialLinks,
		"link put, changed, gone":   linkLife,
		"refused link":              refusedLink, // the link that worked goes on
		"forgeries":                 forgeries,
		"operations":                operations,
		"health":                    health,
		"metrics":                   metrics,
		"garbage":                   garbage,
		"shutdown":                  shutdown,
		"end of the host":           endOfHost,
		"two processes":             twoProcesses,
		"unusable host data":        unusableHostData,
		"calls while links change":  callsWhileLinksChange,
		"more on standard input":    moreStdin,
		"links of other providers":  foreignLinks,
		"shutdown without a server": noServer,
	} {
		t.Run(name, func(t *testing.T) { check(t, env, cfg) })
	}
}

func (c Config) call(t testing.TB, p *Process, actor lattice.ActorID) error {
	t.Helper()
	if c.Operation == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_, err := p.Call(ctx, actor, c.Operation, c.Payload)
	return err
}

func initialLinks(t *testing.T, env *Lattice, cfg Config) {
	actor := env.ActorID(t)
	p := Start(t, env, cfg, WithLinks(wire.LinkDefinition{ActorID: actor, LinkName: lattice.DefaultLink,
		ContractID: cfg.Info.Contract, Values: cfg.values(t, 0)}))
	links := p.Links() // once ready, initial links are settled: no waiting
	if len(links) != 1 || links[0] != (wire.LinkState{ActorID: actor, LinkName: lattice.DefaultLink,
		ContractID: cfg.Info.Contract, ProviderID: p.Provider, State: wire.LinkActive, HostID: p.Host,
		Checked: cfg.Info.Values != nil}) {
		t.Fatalf("link table %+v, want the initial link, active", links)
	}
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatal(err)
	}
}

func linkLife(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	actor, other := env.ActorID(t), env.ActorID(t)
	if links := p.Links(); len(links) != 0 {
		t.Fatalf("links before any was put: %+v", links)
	}
	values := cfg.values(t, 0)
	for range 3 { // every host of a lattice sends it
		if s := p.PutLink(actor, values); s.State != wire.LinkActive {
			t.Fatalf("link %+v, want active", s)
		}
	}
	if s := p.PutLink(other, cfg.values(t, 1)); s.State != wire.LinkActive {
		t.Fatalf("second link %+v, want active", s)
	}
	p.PutLink(actor, cfg.values(t, 2))
	p.DelLink(env.ActorID(t)) // of an actor without a link: nothing happens
	p.WaitLink(actor, Active)
	if err := errors.Join(cfg.call(t, p, actor), cfg.call(t, p, other)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.DelLink(actor)
	}
	if cfg.Operation != "" {
		if err := cfg.call(t, p, actor); !errors.Is(err, lattice.ErrUnlinked) || !strings.Contains(err.Error(),
			"unlinked actor: '"+string(actor)+"'") {
			t.Fatalf("call without a link: %v, want unlinked actor", err)
		}
	}
	if err := cfg.call(t, p, other); err != nil {
		t.Fatalf("the other actor's link went too: %v", err)
	}
	if s := p.PutLink(actor, values); s.State != wire.LinkActive {
		t.Fatalf("link put again: %+v, want active", s)
	}
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatal(err)
	}
}

func refusedLink(t *testing.T, env *Lattice, cfg Config) {
	if cfg.BadValues == nil {
		return // there are none
	}
	p := Start(t, env, cfg)
	actor := env.ActorID(t)
	if s := p.PutLink(actor, cfg.BadValues); s.State != wire.LinkFailed || s.Error == "" {
		t.Fatalf("link %+v, want failed with a reason", s)
	}
	if cfg.Operation != "" {
		if err := cfg.call(t, p, actor); !errors.Is(err, lattice.ErrUnlinked) &&
			!errors.Is(err, lattice.ErrUnavailable) {
			t.Fatalf("call over a failed link: %v", err)
		}
	}
	if s := p.PutLink(actor, cfg.values(t, 0)); s.State != wire.LinkActive {
		t.Fatalf("good values in the place of bad ones: %+v, want active", s)
	}
	works := func(after string) {
		t.Helper()
		if err := cfg.call(t, p, actor); err != nil {
			t.Fatalf("call over the old link after %s: %v", after, err)
		}
		if cfg.Serves != nil {
			if err := cfg.Serves(actor, cfg.values(t, 0)); err != nil {
				t.Fatalf("the old link after %s: %v", after, err)
			}
		}
	}
	for range 2 { // however often: the values that work stay
		if s := p.PutLink(actor, cfg.BadValues); !Kept(&s) || s.Refused.Error == "" {
			t.Fatalf("bad values in the place of good ones: %+v, want the link active, and why they were refused", s)
		}
		works("a put that was refused")
	}
	if links := p.Links(); len(links) != 1 || !Kept(&links[0]) {
		t.Fatalf("link table %+v, want the refused values in it", links)
	}
	if s := p.PutLink(actor, cfg.values(t, 0)); !Active(&s) || s.Refused != nil {
		t.Fatalf("the old values put again: %+v, want nothing refused", s)
	}
	if s := p.CheckLink(actor, cfg.BadValues); s.State == wire.LinkFailed { // the provider can say so beforehand
		if s.Refused == nil {
			t.Fatalf("bad values offered: %+v, want it to tell of the link that works", s)
		}
		if links := p.Links(); len(links) != 1 || links[0].State != wire.LinkActive || links[0].Refused != nil {
			t.Fatalf("link table %+v, want no trace of what was only offered", links)
		}
		works("an offer that was refused")
		other := env.ActorID(t)
		if s := p.CheckLink(other, cfg.BadValues); s.State != wire.LinkFailed || s.Error == "" {
			t.Fatalf("bad values for a new link, offered: %+v", s)
		}
		if links := p.Links(); len(links) != 1 {
			t.Fatalf("an offer made a link: %+v", links)
		}
	}
	if s := p.CheckLink(actor, cfg.values(t, 1)); s.State != wire.LinkActive {
		t.Fatalf("good values offered: %+v", s)
	}
	works("an offer that would be taken")
	p.DelLink(actor)
	if s := p.PutLink(actor, cfg.values(t, 0)); s.State != wire.LinkActive {
		t.Fatalf("good link after bad ones: %+v", s)
	}
}

func forgeries(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	actor := env.ActorID(t)
	p.PutLink(actor, cfg.values(t, 0))
	operation := cfg.Operation
	if operation == "" {
		operation = "Any.Thing"
	}
	for name, f := range p.forgeries(t, actor, operation, cfg.Payload) {
		t.Run(name, func(t *testing.T) {
			inv := f.make()
			fields, code := p.send(t, inv.Encode())
			refused(t, fields, code, f.want)
			if fields["invocation_id"] != inv.ID {
				t.Errorf("answers invocation %v, want %s", fields["invocation_id"], inv.ID)
			}
		})
	}
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatalf("a correct call after the forgeries: %v", err)
	}
}

func operations(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	actor := env.ActorID(t)
	p.PutLink(actor, cfg.values(t, 0))
	for _, operation := range []string{"No.Such", "", "KeyValue", strings.Repeat("x", 10000), "a\x00ü"} {
		inv := sign(t, p.invocation(actor, operation, nil), env.Cluster)
		fields, code := p.send(t, inv.Encode())
		refused(t, fields, code, lattice.ErrNotFound)
		if text := fmt.Sprint(fields["error"]); len(text) > 2000 {
			t.Errorf("the error repeats %d bytes", len(text))
		}
	}
	for _, operation := range cfg.Info.Operations { // with arguments that are none
		for _, payload := range [][]byte{nil, {0xc1}, {0x81, 0xa3}, bytes.Repeat([]byte{0x91}, 5000), random(t, 300)} {
			inv := sign(t, p.invocation(actor, operation, payload), env.Cluster)
			fields, code := p.send(t, inv.Encode()) // any answer
			if fields["error"] != nil && (code == lattice.ErrInternal.Name() || code == "") {
				t.Errorf("%s with payload %.20x: %v (%s), want an error that blames the input", operation, payload,
					fields["error"], code)
			}
		}
	}
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatal(err)
	}
}

func health(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	subj := subject.Health(env.Name, p.Provider, p.Link)
	placeholder := append([]byte{0x81, 0xab}, "placeholder\xc3"...) // what hosts of the dialect's first generation send
	for _, request := range [][]byte{nil, placeholder, []byte("garbage")} {
		h, err := wire.DecodeHealth(p.Ask(subj, request))
		if err != nil || !h.Healthy {
			t.Fatalf("health on request %q: %+v, %v; want healthy", request, h, err)
		}
	}
}

func metrics(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	actor := env.ActorID(t)
	p.PutLink(actor, cfg.values(t, 0))
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatal(err)
	}
	p.send(t, p.invocation(actor, "Made.Up", nil).Encode())
	parser := expfmt.NewTextParser(model.LegacyValidation)
	latticetest.Eventually(t, func() error { // calls are counted after their answer is sent
		families, err := parser.TextToMetricFamilies(strings.NewReader(p.Metrics()))
		if err != nil {
			return err
		}
		seen := map[string]float64{}
		for _, m := range families["weft_provider_calls_total"].GetMetric() {
			label := map[string]string{}
			for _, l := range m.GetLabel() {
				label[l.GetName()] = l.GetValue()
			}
			if label["provider"] != cfg.Info.Name {
				return fmt.Errorf("label provider is %q, want %q", label["provider"], cfg.Info.Name)
			}
			seen[label["operation"]+" "+label["code"]] = m.GetCounter().GetValue()
		}
		if seen["other token_malformed"] != 1 {
			return fmt.Errorf("refused call of a made up operation not counted as other: %v", seen)
		}
		if cfg.Operation != "" && seen[cfg.Operation+" ok"] != 1 {
			return fmt.Errorf("%s not counted: %v", cfg.Operation, seen)
		}
		active := families["weft_provider_links"].GetMetric()
		if len(active) != 3 || active[0].GetGauge().GetValue() != 1 {
			return fmt.Errorf("links: %v, want one active", active)
		}
		return nil
	})
}

func garbage(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	l, id, link := env.Name, p.Provider, p.Link
	actor := env.ActorID(t)
	good := sign(t, p.invocation(actor, "A.B", nil), env.Cluster).Encode()
	for _, subj := range []string{subject.Provider(l, id, link), subject.LinkPut(l, id, link),
		subject.LinkDel(l, id, link),
		subject.Health(l, id, link), subject.Shutdown(l, id, link), subject.LinkStates(l, id, link),
		subject.ProviderMetrics(l, id, link, p.Host)} {
		for _, b := range [][]byte{nil, {0}, []byte("null"), []byte("{}"), []byte(`{"host_id":7}`), {0xc1}, {0x80},
			good[:len(good)/2],
			bytes.Repeat([]byte{0x91}, 20000), random(t, 1000), p.Definition("not a key", nil).Encode()} {
			p.Publish(subj, b)
			if err := p.NC.PublishRequest(subj, p.NC.NewInbox(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if h := p.Health(); !h.Healthy {
		t.Fatalf("unhealthy after garbage: %+v", h)
	}
	if s := p.PutLink(actor, cfg.values(t, 0)); s.State != wire.LinkActive {
		t.Fatalf("link after garbage: %+v", s)
	}
	if err := cfg.call(t, p, actor); err != nil {
		t.Fatal(err)
	}
	if links := p.Links(); len(links) != 1 {
		t.Fatalf("links %+v, want one", links)
	}
}

func shutdown(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	p.PutLink(env.ActorID(t), cfg.values(t, 0))
	subj := subject.Shutdown(env.Name, p.Provider, p.Link)
	for _, host := range []string{string(env.HostID(t)), "", "N"} {
		b, err := json.Marshal(map[string]string{"host_id": host})
		if err != nil {
			t.Fatal(err)
		}
		p.Publish(subj, b)
	}
	if h := p.Health(); !h.Healthy {
		t.Fatalf("health after other hosts' shutdown: %+v", h)
	}
	b, err := json.Marshal(map[string]string{"host_id": string(p.Host)})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Ask(subj, b); string(got) != "shutting down" {
		t.Fatalf("answer %q, want %q", got, "shutting down")
	}
	if err := p.Wait(Patience); err != nil {
		t.Fatalf("ended with %v, want an orderly end", err)
	}
}

func endOfHost(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	p.PutLink(env.ActorID(t), cfg.values(t, 0))
	p.CloseStdin()
	if err := p.Wait(Patience); err != nil {
		t.Fatalf("ended with %v, want an orderly end", err)
	}
}

// twoProcesses of one provider, on two hosts, share the calls; one of them ends and nothing is missed.
func twoProcesses(t *testing.T, env *Lattice, cfg Config) {
	if cfg.Operation == "" {
		return // nothing to share
	}
	a := Start(t, env, cfg)
	b := Start(t, env, cfg, WithProvider(a.Provider))
	actor := env.ActorID(t)
	a.Publish(subject.LinkPut(env.Name, a.Provider, a.Link), a.Definition(actor, cfg.values(t, 0)).Encode())
	latticetest.Eventually(t, func() error { // both must know it: ask all, two answers
		inbox := a.NC.NewInbox()
		sub, err := a.NC.SubscribeSync(inbox)
		if err != nil {
			return err
		}
		defer func() { _ = sub.Unsubscribe() }()
		if err := a.NC.PublishRequest(subject.LinkStates(env.Name, a.Provider, a.Link), inbox, nil); err != nil {
			return err
		}
		for range 2 {
			msg, err := sub.NextMsg(time.Second)
			if err != nil {
				return err
			}
			if !strings.Contains(string(msg.Data), string(actor)) {
				return fmt.Errorf("not linked yet: %s", msg.Data)
			}
		}
		return nil
	})
	stop, result := cfg.callOn(t, a, actor)
	body, err := json.Marshal(map[string]string{"host_id": string(b.Host)})
	if err != nil {
		t.Fatal(err)
	}
	a.Publish(subject.Shutdown(env.Name, b.Provider, b.Link), body)
	err = b.Wait(Patience)
	close(stop)
	if err := errors.Join(err, <-result); err != nil {
		t.Fatalf("while one of two processes shut down: %v", err)
	}
	if err := cfg.call(t, a, actor); err != nil {
		t.Fatal(err)
	}
}

func unusableHostData(t *testing.T, env *Lattice, cfg Config) {
	if len(cfg.Command) > 0 {
		return // Main's exit status is tested with the SDK
	}
	good := wire.HostData{LatticeRPCPrefix: env.Name, LatticeRPCURL: env.URL, HostID: env.HostID(t),
		ProviderKey: env.ProviderID(t), InvocationSeed: env.Cluster.Seed()}
	for name, line := range map[string][]byte{
		"nothing": nil, "not base64": []byte("hello\n"), "not JSON": []byte("aGVsbG8=\n"),
		"a lattice of two tokens": change(good, func(h *wire.HostData) { h.LatticeRPCPrefix = "a.b" }),
		"a provider key that is M": change(good,
			func(h *wire.HostData) { h.ProviderKey = lattice.ProviderID(string(env.ActorID(t))) }),
		"no seed": change(good, func(h *wire.HostData) { h.InvocationSeed = "" }),
		"a seed of another kind": change(good, func(h *wire.HostData) {
			h.InvocationSeed = latticetest.NewKey(t,
				'U').Seed()
		}),
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr output.Text
			ctx, cancel := context.WithTimeout(context.Background(), Patience)
			defer cancel()
			err := provider.Run(ctx, provider.Options{Info: cfg.Info, Stdin: bytes.NewReader(line), Stdout: &stdout,
				Stderr: &stderr}, cfg.New)
			if err == nil || ctx.Err() != nil {
				t.Fatalf("ended with %v, want a prompt error", err)
			}
			for _, out := range []string{err.Error(), stdout.String(), stderr.String()} {
				if strings.Contains(out, env.Cluster.Seed()) {
					t.Fatalf("the seed shows in %q", out)
				}
			}
		})
	}
}

// callOn makes calls until stop is closed, or one fails, and then tells the outcome. Without an operation it makes one.
func (c Config) callOn(t *testing.T, p *Process, actor lattice.ActorID) (stop chan struct{}, result <-chan error) {
	stop = make(chan struct{})
	outcome := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				outcome <- nil
				return
			default:
			}
			if err := c.call(t, p, actor); err != nil {
				outcome <- err
				return
			}
			if c.Operation == "" {
				<-stop
			}
		}
	}()
	return stop, outcome
}

func change(h wire.HostData, f func(*wire.HostData)) []byte {
	f(&h)
	return h.Encode()
}

// callsWhileLinksChange must not fail: the actor is linked all the time.
func callsWhileLinksChange(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	actor := env.ActorID(t)
	values := []map[string]string{cfg.values(t, 0), cfg.values(t, 1)}
	p.PutLink(actor, values[0])
	stop, result := cfg.callOn(t, p, actor)
	for i := range 20 {
		p.PutLink(actor, values[(i+1)%2])
	}
	p.WaitLink(actor, Active)
	close(stop)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func moreStdin(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	if err := p.writeStdin(bytes.Repeat([]byte("more\r\n"), 50000)); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); !h.Healthy {
		t.Fatalf("health %+v", h)
	}
}

func foreignLinks(t *testing.T, env *Lattice, cfg Config) {
	p := Start(t, env, cfg)
	put := subject.LinkPut(env.Name, p.Provider, p.Link)
	def := p.Definition(env.ActorID(t), cfg.values(t, 0))
	def.ProviderID = env.ProviderID(t)
	p.Publish(put, def.Encode())
	def = p.Definition(env.ActorID(t), cfg.values(t, 0))
	def.LinkName = "other"
	p.Publish(put, def.Encode())
	actor := env.ActorID(t)
	p.PutLink(actor, cfg.values(t, 0)) // links are handled in order
	if links := p.Links(); len(links) != 1 || links[0].ActorID != actor {
		t.Fatalf("links %+v, want only that of %s", links, actor)
	}
}

// noServer: the host and the NATS server die together, before the provider has reached either.
func noServer(t *testing.T, env *Lattice, cfg Config) {
	p := launch(t, env, cfg, func(s *setup) {
		s.hostData.LatticeRPCURL, s.hostData.LogLevel = "nats://127.0.0.1:1",
			"debug"
	})
	latticetest.Eventually(t, func() error {
		if !strings.Contains(p.Log(), "held open") {
			return errors.New("the process has not noticed that standard input is held open")
		}
		return nil
	})
	p.CloseStdin()
	if err := p.Wait(Patience); err != nil {
		t.Fatalf("ended with %v, want an orderly end", err)
	}
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}
