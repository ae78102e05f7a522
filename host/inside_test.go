package host_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// thingInside plays a provider in the host's process. It answers calls over the channel only, ends as Thing.Fail and
// Thing.Panic say, and tells the test what it may call.
type thingInside struct {
	ends   chan *channel.End // of one run after another
	actors chan lattice.ActorID
}

func (p *thingInside) run(ctx context.Context, r host.InsideRun) error {
	in := bufio.NewReader(r.In)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return err
	}
	hd, err := wire.DecodeHostData(line)
	if err != nil || hd.Channel != nil {
		return fmt.Errorf("host data: channel %v, %w", hd.Channel, err)
	}
	nc, err := nats.Connect(hd.LatticeRPCURL)
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := nc.Subscribe(subject.Health(hd.LatticeRPCPrefix, hd.ProviderKey, hd.LinkName),
		func(m *nats.Msg) { _ = m.Respond(wire.Health{Healthy: true}.Encode()) }); err != nil {
		return err
	}
	end := make(chan string, 1)
	way := channel.Offered(ctx)
	way.Serve(channel.Config{Handler: func(_ context.Context, inv *wire.Invocation) ([]byte, error) {
		if inv.Operation == channel.OpHealth {
			return wire.Health{Healthy: true}.Encode(), nil
		}
		if _, how, _ := strings.Cut(inv.Operation, "."); how != "Do" {
			end <- how
		}
		return []byte(inv.Origin.PublicKey + " of " + string(inv.Target.LinkName)), nil
	}, Notice: func(b []byte) {
		if what, ids, ok := channel.DecodeActors(b); ok && what != channel.Gone {
			for _, id := range ids {
				p.actors <- id
			}
		}
	}})
	if err := way.Notify(ctx, []byte(channel.WantActors)); err != nil {
		return err
	}
	p.ends <- way
	if _, err := fmt.Fprintln(r.Out, "weft:ready"); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { // ends with the input
		defer close(gone)
		_, _ = in.ReadByte()
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return nil
	case how := <-end:
		if how == "Panic" {
			panic("as was asked for")
		}
		return errors.New("failed as was asked for")
	}
}

// A provider inside the host: calls both ways over the channel, under the same checks; what ends it is told and it is
// started again; it ends with the host.
func TestInsideProvider(t *testing.T) {
	r := newRig(t)
	thing := &thingInside{ends: make(chan *channel.End, 10), actors: make(chan lattice.ActorID, 10)}
	id := lattice.ProviderID(signing.Derive('V', "weft test thing").Public())
	h := r.host(func(c *host.Config) {
		c.Builtins = map[string]host.Builtin{"thing": {ID: id, Name: "thing", ContractID: "acme:thing",
			Version: "1.0.0", Revision: 1, Inside: thing.run}}
	})
	ctx := context.Background()
	key := latticetest.NewKey(t, 'M')
	actor := actorID(key)
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "guest",
		Caps: []lattice.ContractID{"acme:thing"}}), MaxInstances: 2})
	ev := r.events(event.NameProviderStarted, event.NameProviderStopped, event.NameProviderStartFailed,
		event.NameProviderRestarting)
	if err := r.control.StartProvider(ctx, control.StartProviderRequest{ProviderRef: "thing", LinkName: "default",
		HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	if d, ok := ev.next().(event.ProviderStarted); !ok {
		t.Fatalf("%+v", d)
	}
	end := <-thing.ends
	if got := <-thing.actors; got != actor {
		t.Errorf("told of actor %s", got)
	}
	if p := r.provider(h); !p.Inline || p.PID != 0 || p.State != control.StateRunning {
		t.Errorf("inventory %+v", p)
	}

	// The provider calls the actor in its own name, and in no other.
	call := &channel.Call{Origin: wire.ProviderEntity(id, "acme:thing", "default"), Target: wire.ActorEntity(actor),
		Operation: "Test.Echo", Payload: []byte("hi")}
	if out, err := end.Call(ctx, call, 10*time.Second); err != nil {
		t.Errorf("call of the actor: %q, %v", out, err)
	}
	forged := *call
	forged.Origin.PublicKey = string(r.env.ProviderID(t))
	if _, err := end.Call(ctx, &forged, 10*time.Second); !errors.Is(err, lattice.ErrDenied) {
		t.Errorf("call in another's name: %v", err)
	}

	// The actor calls the provider once it is linked.
	if _, err := r.call(actor, "Test.Provider", "acme:thing Thing.Do"); err == nil {
		t.Error("called without a link")
	}
	link := wire.LinkDefinition{ActorID: actor, ProviderID: id, LinkName: "default", ContractID: "acme:thing",
		Values: map[string]string{}}
	if err := r.control.PutLink(ctx, link); err != nil {
		t.Fatal(err)
	}
	called := func(op string) error {
		got, err := r.call(actor, "Test.Provider", "acme:thing "+op)
		if err == nil && got != string(actor)+" of default" {
			err = fmt.Errorf("got %q", got)
		}
		return err
	}
	latticetest.Eventually(t, func() error { return called("Thing.Do") })

	for _, how := range []struct{ op, reason string }{{"Thing.Fail", "failed as was asked for"},
		{"Thing.Panic", "panic: as was asked for"}} {
		if err := called(how.op); err != nil {
			t.Error(err)
		}
		if d, ok := ev.next().(event.ProviderStopped); !ok || !strings.Contains(d.Reason, how.reason) {
			t.Errorf("%s: %+v", how.op, d)
		}
		if d, ok := ev.next().(event.ProviderRestarting); !ok || !strings.Contains(d.Reason, how.reason) {
			t.Errorf("%s: %+v", how.op, d)
		}
		if d, ok := ev.next().(event.ProviderStarted); !ok {
			t.Errorf("%s: %+v", how.op, d)
		}
		latticetest.Eventually(t, func() error { return called("Thing.Do") })
	}
	if _, err := end.Call(ctx, call, time.Second); !channel.Elsewhere(err) {
		t.Errorf("over the channel of a run that is over: %v", err)
	}
}
