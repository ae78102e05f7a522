package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestMain(m *testing.M) { latticetest.VerifyMain(m) }

// script is a provider that does what the test says and keeps a record of what it was told.
type script struct {
	env    provider.Env
	put    func(provider.Link) error
	handle func(context.Context, provider.Call) ([]byte, error)
	health func() error

	mu     sync.Mutex
	record []string // guarded by mu
}

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record = append(s.record, fmt.Sprintf(format, args...))
}

func (s *script) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.record, " ")
}

func (s *script) PutLink(_ context.Context, l provider.Link) error {
	s.note("put:%s", l.Values.Text("v", ""))
	if s.put != nil {
		return s.put(l)
	}
	return nil
}

func (s *script) DelLink(_ context.Context, l provider.Link) error {
	s.note("del:%s", l.Values.Text("v", ""))
	return nil
}

func (s *script) Handle(ctx context.Context, c provider.Call) ([]byte, error) {
	if s.handle != nil {
		return s.handle(ctx, c)
	}
	return []byte(c.Link.Values.Text("v", "")), nil
}

func (s *script) Health(context.Context) error {
	if s.health != nil {
		return s.health()
	}
	return nil
}

func (s *script) Shutdown(context.Context) error {
	s.note("shutdown")
	return nil
}

// reviser changes links in one step.
type reviser struct{ *script }

func (r reviser) ReviseLink(_ context.Context, before, after provider.Link) error {
	r.note("revise:%s->%s", before.Values.Text("v", ""), after.Values.Text("v", ""))
	return nil
}

var info = provider.Info{Name: "script", Contract: "test:script", Version: "0.0.1", Operations: []string{"Script.Do"}}

func start(t *testing.T, s *script, p func(*script) provider.Provider) *providertest.Process {
	t.Helper()
	return providertest.Start(t, providertest.NewLattice(t), providertest.Config{Info: info,
		New: func(env provider.Env) (provider.Provider, error) {
			s.env = env
			return p(s), nil
		}})
}

func plain(s *script) provider.Provider { return s }

func v(value string) map[string]string { return map[string]string{"V": value} }

func call(t *testing.T, p *providertest.Process, actor lattice.ActorID) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), providertest.Patience)
	defer cancel()
	b, err := p.Call(ctx, actor, "Script.Do", nil)
	return string(b), err
}

func TestContract(t *testing.T) {
	long.Test(t, "tries the whole contract of providers")
	providertest.Run(t, providertest.Config{Info: info, Operation: "Script.Do",
		New: func(provider.Env) (provider.Provider, error) { return &script{}, nil }})
}

// A put with other values takes effect, with and without ReviseLink; duplicates do nothing.
func TestChangedValues(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*script) provider.Provider
		want string
	}{
		"deleted and put": {plain, "put:a del:a put:b del:b shutdown"},
		"revised": {func(s *script) provider.Provider { return reviser{s} },
			"put:a revise:a->b del:b shutdown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			p := start(t, s, c.make)
			actor := p.Lattice.ActorID(t)
			for _, value := range []string{"a", "a", "b", "b"} {
				p.PutLink(actor, v(value))
				if got, err := call(t, p, actor); got != value || err != nil {
					t.Fatalf("call over the link answers %q, %v; want %q", got, err, value)
				}
			}
			p.DelLink(actor)
			p.DelLink(actor)
			p.CloseStdin()
			if err := p.Wait(providertest.Patience); err != nil {
				t.Fatal(err)
			}
			if got := s.noted(); got != c.want {
				t.Errorf("provider was told %q, want %q", got, c.want)
			}
		})
	}
}

// A link that failed because something was away heals by itself; one that is wrong does not try.
func TestUnavailableIsRetried(t *testing.T) {
	var mu sync.Mutex
	left := 2
	s := &script{put: func(l provider.Link) error {
		mu.Lock()
		defer mu.Unlock()
		if l.Values.Text("v", "") == "wrong" {
			return &lattice.Error{Code: lattice.ErrInvalid, Detail: "wrong"}
		}
		if left--; left >= 0 {
			return &lattice.Error{Code: lattice.ErrUnavailable, Detail: "away"}
		}
		return nil
	}}
	p := start(t, s, plain)
	away, wrong := p.Lattice.ActorID(t), p.Lattice.ActorID(t)
	if st := p.PutLink(wrong, v("wrong")); st.State != wire.LinkFailed || st.Error != "invalid: wrong" {
		t.Fatalf("state %+v", st)
	}
	if st := p.PutLink(away, v("away")); st.State != wire.LinkFailed {
		t.Fatalf("state %+v", st)
	}
	if _, err := call(t, p, wrong); !errors.Is(err, lattice.ErrUnlinked) || !strings.Contains(err.Error(),
		"invalid: wrong") {
		t.Errorf("call over a wrong link: %v", err)
	}
	p.WaitLink(away, providertest.Active)
	if got, want := s.noted(), "put:wrong put:away put:away put:away"; got != want {
		t.Errorf("provider was told %q, want %q", got, want)
	}
}

// A process tells the link of the actor that is asked for, and only that one, also while it tries another link: by
// that, hosts know that it is there.
func TestLinkOfOneActor(t *testing.T) {
	goOn := make(chan struct{})
	trying := make(chan struct{})
	s := &script{put: func(l provider.Link) error {
		if l.Values.Text("v", "") == "slow" {
			close(trying)
			<-goOn
		}
		return nil
	}}
	p := start(t, s, plain)
	one, other, slow := p.Lattice.ActorID(t), p.Lattice.ActorID(t), p.Lattice.ActorID(t)
	p.PutLink(one, v("a"))
	p.PutLink(other, v("b"))
	p.Publish(subject.LinkPut(p.Lattice.Name, p.Provider, p.Link), p.Definition(slow, v("slow")).Encode())
	<-trying
	defer close(goOn)
	for actor, want := range map[lattice.ActorID]int{one: 1, other: 1, slow: 0} {
		var links []wire.LinkState
		if err := json.Unmarshal(p.Ask(subject.LinkStates(p.Lattice.Name, p.Provider, p.Link), []byte(actor)),
			&links); err != nil {
			t.Fatal(err)
		}
		if len(links) != want || want == 1 && links[0].ActorID != actor {
			t.Errorf("the links of %s are %+v, want %d", actor, links, want)
		}
	}
	if links := p.Links(); len(links) != 2 {
		t.Errorf("all links are %+v, want those of two actors", links)
	}
}

// A link that stood against another one is put when that one goes or changes.
func TestConflictIsRetried(t *testing.T) {
	s := &script{}
	held := map[string]lattice.ActorID{}
	s.put = func(l provider.Link) error {
		value := l.Values.Text("v", "")
		if owner, taken := held[value]; taken && owner != l.Actor {
			return &lattice.Error{Code: lattice.ErrConflict, Detail: value + " is taken"}
		}
		for k, owner := range held {
			if owner == l.Actor {
				delete(held, k)
			}
		}
		held[value] = l.Actor
		return nil
	}
	p := start(t, s, plain)
	first, second, third := p.Lattice.ActorID(t), p.Lattice.ActorID(t), p.Lattice.ActorID(t)
	p.PutLink(first, v("x"))
	if st := p.PutLink(second, v("x")); st.State != wire.LinkFailed {
		t.Fatalf("state %+v, want failed", st)
	}
	p.PutLink(third, v("z"))
	p.PutLink(first, v("y"))
	p.WaitLink(second, providertest.Active)
	if st := p.WaitLink(first, providertest.Active); st.Error != "" {
		t.Errorf("state %+v", st)
	}
}

// A provider that panics loses that link or call, not the others.
func TestPanics(t *testing.T) {
	s := &script{
		put: func(l provider.Link) error {
			if l.Values.Text("v", "") == "panic" {
				panic("put")
			}
			return nil
		},
		handle: func(_ context.Context, c provider.Call) ([]byte, error) { panic("handle") },
		health: func() error { panic("health") },
	}
	p := start(t, s, plain)
	if st := p.PutLink(p.Lattice.ActorID(t), v("panic")); st.State != wire.LinkFailed {
		t.Errorf("state %+v, want failed", st)
	}
	good := p.Lattice.ActorID(t)
	p.PutLink(good, v("good"))
	if _, err := call(t, p, good); !errors.Is(err, lattice.ErrInternal) {
		t.Errorf("call %v, want internal", err)
	}
	if h := p.Health(); h.Healthy || h.Message == "" {
		t.Errorf("health %+v, want a message", h)
	}
}

func TestUnhealthy(t *testing.T) {
	s := &script{health: func() error { return errors.New("no disk") }}
	p := start(t, s, plain)
	if h := p.Health(); h != (wire.Health{Message: "no disk"}) {
		t.Errorf("health %+v", h)
	}
}

// A call in progress is answered before the process ends; Shutdown comes after it.
func TestShutdownDrains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := &script{}
	s.handle = func(context.Context, provider.Call) ([]byte, error) {
		close(entered)
		<-leave
		s.note("answered")
		return []byte("done"), nil
	}
	p := start(t, s, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, nil)
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), providertest.Patience)
		defer cancel()
		b, err := p.Call(ctx, actor, "Script.Do", nil)
		got <- answer{string(b), err}
	}()
	<-entered
	p.Ask(subject.Shutdown(p.Lattice.Name, p.Provider, p.Link), []byte(`{"host_id":"`+string(p.Host)+`"}`))
	latticetest.Eventually(t, func() error { // the intake closes while the call goes on
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Call(ctx, p.Lattice.ActorID(t), "Script.Do", nil); !errors.Is(err, lattice.ErrNoResponders) {
			return fmt.Errorf("call after shutdown: %w", err)
		}
		return nil
	})
	close(leave)
	if a := <-got; a.text != "done" || a.err != nil {
		t.Errorf("call in progress answered %q, %v", a.text, a.err)
	}
	if err := p.Wait(providertest.Patience); err != nil {
		t.Fatal(err)
	}
	if got, want := s.noted(), "put: answered shutdown"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

// The host and the NATS server are gone for good: the process still ends.
func TestEndWithoutServer(t *testing.T) {
	p := start(t, &script{}, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, nil)
	p.Lattice.Stop(t)
	p.CloseStdin()
	if err := p.Wait(providertest.Patience); err != nil {
		t.Error(err)
	}
}

// After the NATS server was away, links and calls work as before.
func TestServerRestart(t *testing.T) {
	p := start(t, &script{}, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, v("a"))
	p.Lattice.Stop(t)
	p.Lattice.Start(t)
	latticetest.Eventually(t, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := p.Call(ctx, actor, "Script.Do", nil)
		return err
	})
	p.PutLink(actor, v("b"))
	if got, err := call(t, p, actor); got != "b" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// The provider calls its actors: signed, from the entity of the link, with the trace and the deadline of the context.
func TestCallActor(t *testing.T) {
	s := &script{}
	p := start(t, s, plain)
	actor := p.Lattice.ActorID(t)
	p.PutLink(actor, nil)
	host := providertest.ServeActor(t, p.Lattice, actor, func(ctx context.Context, inv *wire.Invocation) ([]byte,
		error) {
		tc, _ := trace.From(ctx)
		return fmt.Appendf(nil, "%s %s %x", inv.OriginURL(), inv.Msg, tc.TraceID), nil
	})
	defer host()
	tc := trace.New()
	ctx, cancel := context.WithTimeout(trace.With(context.Background(), tc), providertest.Patience)
	defer cancel()
	b, err := s.env.Call(ctx, actor, "Actor.Do", []byte("hi"))
	want := fmt.Sprintf("wasmbus://test/script/default/%s hi %x", p.Provider, tc.TraceID)
	if err != nil || string(b) != want {
		t.Errorf("actor saw %q, %v; want %q", b, err, want)
	}
	if _, err := s.env.Call(ctx, p.Lattice.ActorID(t), "Actor.Do", nil); !errors.Is(err, lattice.ErrUnlinked) {
		t.Errorf("call of an actor without a link: %v", err)
	}
}

// The settings' names do not distinguish case, and what is wrong is named.
func TestValues(t *testing.T) {
	values := provider.Values{"URL": "secret", "Port": " 80 ", "wait": "1m", "on": "x", "empty": ""}
	if s := fmt.Sprintf("%v %+v %#v", values, values, values); strings.Contains(s, "secret") {
		t.Errorf("prints as %s", s)
	}
	if s := values.Text("url", "none"); s != "secret" {
		t.Errorf("url %q", s)
	}
	if n, err := values.Int("port", 1); n != 80 || err != nil {
		t.Errorf("port %d, %v", n, err)
	}
	if d, err := values.Duration("WAIT", 0); d != time.Minute || err != nil {
		t.Errorf("wait %v, %v", d, err)
	}
	if _, err := values.Bool("on", true); !errors.Is(err, lattice.ErrInvalid) || !strings.Contains(err.Error(), "on") {
		t.Errorf("on: %v", err)
	}
	if n, err := values.Int("empty", 7); n != 7 || err != nil {
		t.Errorf("empty %d, %v", n, err)
	}
	if odd := values.Unknown("url", "port", "on"); fmt.Sprint(odd) != "[empty wait]" {
		t.Errorf("unknown %v", odd)
	}
}
