package provider_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
	"github.com/weftlattice/weft/provider/providertest"
)

// seen is what one end saw of a call that the other end made.
type seen struct {
	payload, traceID, state string
	child, hasDeadline      bool
	origin, target          wire.Entity
}

// outcome is what both ends saw, as far as it must be equal both ways.
type outcome struct {
	seen
	result       string
	code         lattice.Code
	text         string
	remote, done bool
}

func outcomeOf(result []byte, err error, s *seen) outcome {
	o := outcome{result: string(result), code: lattice.CodeOf(err), done: s != nil}
	if err != nil {
		o.text = err.Error()
		var e *lattice.Error
		o.remote = errors.As(err, &e) && e.Remote
	}
	if s != nil {
		o.seen = *s
	}
	return o
}

func look(ctx context.Context, inv *wire.Invocation, payload []byte, parent trace.Context) *seen {
	s := &seen{payload: string(payload)}
	_, s.hasDeadline = ctx.Deadline()
	if tc, ok := trace.From(ctx); ok {
		s.traceID, s.state, s.child = fmt.Sprintf("%x", tc.TraceID), tc.State, tc.SpanID != parent.SpanID
	}
	if inv != nil {
		s.origin, s.target = inv.Origin, inv.Target
	}
	return s
}

// answers are what a handler may do.
var answers = []error{nil, nil, nil, lattice.ErrGuest, &lattice.Error{Code: lattice.ErrGuest, Detail: "no such key"},
	errors.New("plain"),
	&lattice.Error{Code: lattice.ErrBusy, Op: "wait", Detail: "full"}, &lattice.Error{Code: lattice.ErrBusy,
		Remote: true, Detail: "further down"},
	&lattice.Error{Code: lattice.ErrNotFound, Op: "find", Entity: "x"}, &lattice.Error{Code: lattice.ErrUnavailable,
		Err: errors.New("away")},
	&lattice.Error{Code: lattice.ErrTrap, Detail: "unreachable"}, &lattice.Error{Code: lattice.ErrTooLarge,
		Detail: "a lot"}}

// conversation starts a provider that is reached over NATS, over the channel or inside the host. talk makes the same
// calls to it and from it, and returns what came of them; counted tells what has been counted until now. The ids differ
// from run to run and are replaced by names.
func conversation(t *testing.T, way string, seed uint64) (talk func() []outcome, counted func() string) {
	r := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	var last *seen
	var answer error
	var parent trace.Context
	note := func(ctx context.Context, inv *wire.Invocation, payload []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		last = look(ctx, inv, payload, parent)
		if len(payload) == 3 { // "too late"
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return bytes.ToUpper(payload), answer
	}
	s := &script{handle: func(ctx context.Context, c provider.Call) ([]byte, error) {
		return note(ctx, nil,
			c.Payload)
	}}
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, providertest.Config{Info: info, Channel: way == "channel", Inside: way == "inside",
		New: func(e provider.Env) (provider.Provider, error) {
			s.env = e
			return s, nil
		}})
	linked, foreign := env.ActorID(t), env.ActorID(t)
	p.PutLink(linked, v("x"))
	asActor := func(ctx context.Context, inv *wire.Invocation) ([]byte, error) { return note(ctx, inv, inv.Msg) }
	t.Cleanup(providertest.ServeActor(t, env, linked, asActor))
	if way != "NATS" {
		p.ServeLocal(linked, asActor)
	}
	names := strings.NewReplacer(string(linked), "LINKED", string(foreign), "FOREIGN", string(p.Provider), "PROVIDER")
	one := func() outcome {
		payload := bytes.Repeat([]byte("p"), []int{0, 1, 10, 5_000, 100_000, 1_000_000}[r.IntN(6)])
		timeout := latticetest.Patience
		if r.IntN(20) == 0 {
			payload, timeout = []byte("old"), late
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		mu.Lock()
		last, answer, parent = nil, answers[r.IntN(len(answers))], trace.Context{}
		if r.IntN(2) == 0 {
			parent = trace.Context{TraceID: [16]byte{1, byte(r.IntN(200))}, SpanID: [8]byte{2}, Flags: 1, State: "a=b"}
			ctx = trace.With(ctx, parent)
		}
		mu.Unlock()
		actor := linked
		if r.IntN(8) == 0 {
			actor = foreign
		}
		operation := "Script.Do"
		if r.IntN(8) == 0 {
			operation = "No.Such"
		}
		if timeout == late { // nothing else may be the end of it
			actor, operation = linked, "Script.Do"
		}
		var result []byte
		var err error
		if r.IntN(2) == 0 {
			result, err = p.Call(ctx, actor, operation, payload)
		} else {
			result, err = s.env.Call(ctx, actor, operation, payload)
		}
		cancel()
		mu.Lock()
		o := outcomeOf(result, err, last)
		mu.Unlock()
		o.text = names.Replace(o.text)
		for _, e := range []*wire.Entity{&o.origin, &o.target} {
			e.PublicKey = names.Replace(e.PublicKey)
		}
		if o.code == lattice.ErrTimeout {
			o.text, o.remote = "", false // which end is first to see it is a matter of luck, also over NATS alone
		}
		return o
	}
	talk = func() []outcome {
		outcomes := make([]outcome, 120)
		for i := range outcomes {
			outcomes[i] = one()
		}
		return outcomes
	}
	return talk, func() string {
		lines := series.FindAllString(p.Metrics(), -1)
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
}

// late is the time of calls that are to end because it is over. They must have reached the other end by then.
const late = 2 * time.Second

var series = regexp.MustCompile(
	`(?m)^(weft_provider_calls_total\{.*|weft_provider_call_seconds_count\{.*|weft_provider_links\{.*)$`)

// Whatever is called, with whatever outcome, it is the same over NATS, over the local channel and inside the host:
// results, errors with their texts, caller and target, traces, and what is counted.
func TestAllWaysAreTheSame(t *testing.T) {
	long.Test(t, "makes some thousand calls")
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			ways := []string{"NATS", "channel", "inside"}
			outcomes, counted := make([][]outcome, len(ways)), make([]func() string, len(ways))
			var talks sync.WaitGroup
			for i, way := range ways {
				talk, count := conversation(t, way, seed)
				counted[i] = count
				talks.Go(func() { outcomes[i] = talk() })
			}
			talks.Wait()
			for w, way := range ways[1:] {
				for i, far := range outcomes[0] {
					if near := outcomes[w+1][i]; far != near {
						t.Errorf("call %d:\nover NATS %s\n%-9s %s", i, brief(far), way, brief(near))
					}
				}
				latticetest.Eventually(t, func() error { // a call is counted after its answer
					if far, near := counted[0](), counted[w+1](); far != near {
						return fmt.Errorf("counted over NATS:\n%s\n%s:\n%s", far, way, near)
					}
					return nil
				})
			}
		})
	}
}

func brief(o outcome) string {
	return fmt.Sprintf("%d bytes back, code %s, text %.200q, remote %v, reached %v, %d bytes there, "+
		"trace %s %s child %v, deadline %v, %v to %v",
		len(o.result), o.code.Name(), o.text, o.remote, o.done, len(o.payload), o.traceID, o.state, o.child,
		o.hasDeadline, o.origin, o.target)
}

// The channel is cut again and again under load. Calls that have not begun are made over NATS, and no call is made
// twice.
func TestCutChannelUnderLoad(t *testing.T) {
	long.Test(t, "makes some thousand calls")
	s := &script{}
	env := providertest.NewLattice(t)
	p := providertest.Start(t, env, providertest.Config{Info: info, Channel: true,
		New: func(e provider.Env) (provider.Provider, error) {
			s.env = e
			return s, nil
		}})
	actor := env.ActorID(t)
	p.PutLink(actor, v("x"))
	var mu sync.Mutex
	near, far := map[string]int{}, map[string]int{}
	serve := func(count map[string]int) func(context.Context, *wire.Invocation) ([]byte, error) {
		return func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			count[string(inv.Msg)]++
			return bytes.Clone(inv.Msg), nil
		}
	}
	defer providertest.ServeActor(t, env, actor, serve(far))()
	p.ServeLocal(actor, serve(near))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var made, lost int
	for g := range 16 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(g, "-", i)
				got, err := s.env.Call(t.Context(), actor, "Script.Do", []byte(id))
				mu.Lock()
				made++
				switch {
				case err == nil && string(got) == id && near[id]+far[id] == 1:
				case errors.Is(err, lattice.ErrUnavailable) && near[id]+far[id] <= 1: // it was on its way
					lost++
				default:
					t.Errorf("call %s: %q, %v, served %d times here and %d over NATS", id, got, err, near[id], far[id])
				}
				mu.Unlock()
			}
		})
	}
	cuts := 0
	latticetest.Eventually(t, func() error {
		mu.Lock()
		n, here, there := made, len(near), len(far)
		mu.Unlock()
		if cuts < 10 && here > 200*(cuts+1) {
			p.CutChannel()
			cuts++
		}
		if cuts < 10 || there == 0 {
			return fmt.Errorf("%d cuts after %d calls, %d over the channel, %d over NATS", cuts, n, here, there)
		}
		return nil
	})
	close(stop)
	wg.Wait()
	if lost > 16*cuts {
		t.Errorf("%d calls lost, more than were in flight", lost)
	}
	t.Logf("%d cuts, %d calls, %d over the channel, %d over NATS, %d lost on their way", cuts, made, len(near),
		len(far), lost)
}
