package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

const patience = latticetest.Patience

// station is a host as others see it: a server with a direct subject, which beats.
type station struct {
	t         *testing.T
	env       *latticetest.Env
	nc        *nats.Conn
	id        lattice.HostID
	agreement *signing.Agreement
	server    *rpc.Server
	sub       *rpc.Subscription
	revision  atomic.Uint64
	served    atomic.Int64 // calls
	headers   atomic.Bool  // it is of a version that finds the remaining time in a header only
}

// nodes are some nodes that serve an actor, and a caller of it.
type nodes struct {
	*testing.T
	env      *latticetest.Env
	actor    lattice.ActorID
	all      []*station
	verifier *signing.Verifier
	agree    *signing.Agreement // the caller's
	client   *rpc.Client
	nc       *nats.Conn

	mu    sync.Mutex
	paths []rpc.Attempt // guarded by mu
}

func newNodes(t *testing.T, n int, handler func(n *station) invocation.Handler) *nodes {
	env := latticetest.NATS(t)
	s := &nodes{T: t, env: env, actor: env.ActorID(t), nc: env.Conn(t),
		verifier: signing.NewVerifier(env.Cluster.ClusterID())}
	for range n {
		s.all = append(s.all, s.node(env.Cluster, 0, handler))
	}
	var err error
	if s.agree, err = signing.NewAgreement(env.Cluster, s.verifier); err != nil {
		t.Fatal(err)
	}
	directory := rpc.NewDirectory(s.nc, env.Lattice, env.Logger)
	t.Cleanup(directory.Close)
	s.client = rpc.NewClient(s.nc, rpc.ClientConfig{Lattice: env.Lattice, HostID: env.HostID(t), Cluster: env.Cluster,
		Timeout:   patience,
		Directory: directory, Agreement: s.agree, Logger: env.Logger, Sent: func(p rpc.Attempt) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.paths = append(s.paths, p)
		}})
	directory.Wake()
	for _, one := range s.all {
		s.known(one)
	}
	return s
}

func (s *nodes) node(cluster signing.KeyPair, limit int, handler func(n *station) invocation.Handler) *station {
	s.Helper()
	n := &station{t: s.T, env: s.env, nc: s.env.Conn(s.T), id: s.env.HostID(s.T)}
	var err error
	if n.agreement, err = signing.NewAgreement(cluster, s.verifier); err != nil {
		s.Fatal(err)
	}
	n.server = rpc.NewServer(n.nc, rpc.ServerConfig{Lattice: s.env.Lattice, Verifier: s.verifier, Logger: s.env.Logger,
		HostID: n.id, Agreement: n.agreement})
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = n.server.Close(ctx) // some have lost their connection
	})
	h := handler(n)
	subj := subject.Actor(s.env.Lattice, s.actor)
	if n.sub, err = n.server.Serve(rpc.Endpoint{Target: wire.ActorEntity(s.actor), Subject: subj, Queue: subj,
		Limit: limit,
		Handler: func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			n.served.Add(1)
			return h(ctx, inv)
		}}); err != nil {
		s.Fatal(err)
	}
	n.revision.Store(1)
	if _, err := n.server.ServeDirect(subject.Host(s.env.Lattice, n.id), func() []byte {
		set := wire.Served{Revision: n.revision.Load()}
		if set.Revision == 1 {
			set.Targets = []string{string(s.actor)}
		}
		return set.Encode()
	}); err != nil {
		s.Fatal(err)
	}
	return n
}

// beat keeps the caller from counting a node as gone for an hour.
func (n *station) beat(draining bool) {
	b := wire.Beat{HostID: n.id, Sequence: 1, Draining: draining, Direct: &wire.Direct{Version: 1,
		Issuer:   n.agreement.Issuer(),
		Capacity: 1, Served: n.revision.Load(), PeriodMS: 1200_000, Timeout: !n.headers.Load()}}
	if err := n.nc.Publish(subject.Beat(n.env.Lattice, n.id), b.Encode()); err != nil {
		n.t.Error(err)
	}
}

// known waits until the caller sends calls to a node by itself.
func (s *nodes) known(n *station) {
	s.Helper()
	latticetest.Eventually(s.T, func() error {
		n.beat(false)
		if !rpc.Knows(s.client, wire.ActorEntity(s.actor), n.id) {
			return fmt.Errorf("node %s is not known", n.id)
		}
		return nil
	})
}

func (s *nodes) call(ctx context.Context, payload string) (string, error) {
	b, err := s.client.Call(ctx, rpc.Call{Origin: wire.ActorEntity(s.env.ActorID(s.T)),
		Target: wire.ActorEntity(s.actor), Operation: "Test.Do", Payload: []byte(payload)})
	return string(b), err
}

func (s *nodes) mustCall() string {
	s.Helper()
	got, err := s.call(context.Background(), "x")
	if err != nil {
		s.Fatal(err)
	}
	return got
}

// sent returns the paths of the calls since the last time.
func (s *nodes) sent() []rpc.Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.paths
	s.paths = nil
	return p
}

func who(n *station) invocation.Handler {
	return func(context.Context, *wire.Invocation) ([]byte, error) { return []byte(n.id), nil }
}

func TestCallsGoDirectWithMAC(t *testing.T) {
	s := newNodes(t, 3, who)
	answered := map[string]int{}
	for range 300 {
		answered[s.mustCall()]++
	}
	direct := 0
	for _, p := range s.sent() {
		if p.Direct != p.MAC || p.Again {
			t.Fatalf("a call went %+v", p)
		}
		if p.Direct {
			direct++
		}
	}
	if direct < 295 { // but for what goes by the queue group to learn
		t.Errorf("%d calls of 300 went to a node by itself", direct)
	}
	for _, n := range s.all {
		if answered[string(n.id)] == 0 { // how many depends on how quick each is just now
			t.Errorf("calls were answered by %v", answered)
		}
	}
	// Large ones are signed, and go the same way.
	got, err := s.call(context.Background(), string(make([]byte, wire.MaxInlineBytes+1)))
	if err != nil || answered[got] == 0 {
		t.Errorf("%q, %v", got, err)
	}
	if p := s.sent(); len(p) != 1 || p[0].MAC {
		t.Errorf("a large call went %+v", p)
	}
	// Whoever is not weft calls as ever.
	plain := rpc.NewClient(s.nc, rpc.ClientConfig{Lattice: s.env.Lattice, HostID: s.env.HostID(t),
		Cluster: s.env.Cluster})
	if _, err := plain.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(s.env.ActorID(t)),
		Target: wire.ActorEntity(s.actor), Operation: "Test.Do"}); err != nil {
		t.Error(err)
	}
}

// A host that reads all from the invocation gets calls without headers, another one with them; deadline and trace reach
// both.
func TestDirectCallsNeedNoHeaders(t *testing.T) {
	parent := trace.New()
	s := newNodes(t, 1, func(n *station) invocation.Handler {
		return func(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
			tc, ok := trace.From(ctx)
			deadline, has := ctx.Deadline()
			if left := time.Until(deadline); !ok || tc.TraceID != parent.TraceID || !has || left > time.Minute ||
				left < 20*time.Second || invocation.Patient(ctx) {
				return nil, fmt.Errorf("trace %v %v, %v left, patient %v", tc, ok, left, invocation.Patient(ctx))
			}
			return nil, nil
		}
	})
	n := s.all[0]
	spy, err := s.nc.SubscribeSync(subject.Host(s.env.Lattice, n.id))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(trace.With(context.Background(), parent), time.Minute)
	defer cancel()
	for _, headers := range []bool{false, true} {
		n.headers.Store(headers)
		latticetest.Eventually(t, func() error { // the next beat tells, and one call may go by the queue group
			n.beat(false)
			if _, err := s.call(ctx, "x"); err != nil {
				return err
			}
			m, err := spy.NextMsg(patience)
			if err != nil {
				return err
			}
			inv, err := wire.DecodeInvocation(m.Data)
			if got := len(m.Header) > 0; err != nil || got != headers || (inv.Timeout == 0) != headers {
				return fmt.Errorf("headers %v, timeout %d in the invocation: %v", m.Header, inv.Timeout, err)
			}
			return nil
		})
	}
}

func TestNoCallIsLostWhenNodesGo(t *testing.T) {
	s := newNodes(t, 3, who)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.call(context.Background(), "x"); err != nil {
					t.Errorf("call %d: %v", calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	more := func() {
		t.Helper()
		now := calls.Load()
		latticetest.Eventually(t, func() error {
			if calls.Load() < now+200 {
				return errors.New("no calls")
			}
			return nil
		})
	}
	more()
	s.all[0].beat(true) // it drains
	if err := s.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.all[0].sub.Drain(ctx); err != nil {
		t.Error(err)
	}
	more()
	drained := s.all[0].served.Load()
	more()
	if got := s.all[0].served.Load(); got != drained {
		t.Errorf("a node that had drained served %d calls more", got-drained)
	}
	if err := s.all[1].sub.Drain(ctx); err != nil { // it stops to serve the actor, and nobody was told
		t.Error(err)
	}
	more()
	s.all[1].revision.Store(2)
	s.all[1].beat(false)
	more()
	stop()
	wg.Wait()
}

// busy is nodes with one that can serve one call, and does, for somebody else, until free is called.
func busy(t *testing.T) (s *nodes, full *station, free func()) {
	release := make(chan struct{})
	s = newNodes(t, 0, nil)
	full = s.node(s.env.Cluster, 1, func(n *station) invocation.Handler {
		return func(context.Context, *wire.Invocation) ([]byte, error) {
			<-release
			return []byte(n.id), nil
		}
	})
	s.known(full)
	plain := rpc.NewClient(s.nc, rpc.ClientConfig{Lattice: s.env.Lattice, HostID: s.env.HostID(t),
		Cluster: s.env.Cluster, Timeout: patience})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := plain.Call(context.Background(), rpc.Call{Origin: wire.ActorEntity(s.env.ActorID(t)),
			Target: wire.ActorEntity(s.actor), Operation: "Test.Do"}); err != nil {
			t.Error(err)
		}
	})
	free = sync.OnceFunc(func() { close(release); wg.Wait() })
	t.Cleanup(free)
	latticetest.Eventually(t, func() error {
		if full.sub.Active() != 1 {
			return errors.New("not busy yet")
		}
		return nil
	})
	return s, full, free
}

func TestOnlyNodeIsBusy(t *testing.T) {
	s, _, _ := busy(t)
	if _, err := s.call(context.Background(), "x"); !errors.Is(err, lattice.ErrBusy) {
		t.Error(err)
	}
	if p := s.sent(); len(p) != 1 {
		t.Errorf("with nowhere else to go, the call went %+v", p)
	}
}

func TestBusyNodeSendsCallsElsewhere(t *testing.T) {
	s, full, free := busy(t)
	other := s.node(s.env.Cluster, 100, who)
	s.known(other)
	latticetest.Eventually(t, func() error { // the busy one is drawn by chance
		if got := s.mustCall(); got != string(other.id) {
			t.Fatalf("answered by %s", got)
		}
		for _, p := range s.sent() {
			if p.Again {
				return nil
			}
		}
		return errors.New("no call was turned away")
	})
	free()
	if got := full.served.Load(); got != 1 {
		t.Errorf("the busy node served %d calls", got)
	}
}

func TestCallThatHasBegunIsNotMadeAgain(t *testing.T) {
	var begun atomic.Int64
	s := newNodes(t, 2, func(*station) invocation.Handler {
		return func(context.Context, *wire.Invocation) ([]byte, error) {
			begun.Add(1) // then a call that it makes itself finds nobody
			return nil, lattice.FromWire(lattice.ErrNoResponders.Name(), "no responders")
		}
	})
	if _, err := s.call(context.Background(), "x"); !errors.Is(err, lattice.ErrNoResponders) {
		t.Error(err)
	}
	if n := begun.Load(); n != 1 {
		t.Errorf("the call was begun %d times", n)
	}
}

// A node whose keys are others than it said takes signatures, and the caller does not lose a call.
func TestRefusedMACFallsBackToSignature(t *testing.T) {
	s := newNodes(t, 1, who)
	s.mustCall()
	if p := s.sent(); len(p) != 1 || !p[0].MAC {
		t.Fatalf("sent %+v", p)
	}
	next := latticetest.NewKey(t, 'C')
	if err := s.verifier.Add(next.ClusterID()); err != nil {
		t.Fatal(err)
	}
	if err := s.all[0].agreement.SetOwn(next); err != nil { // it forgets the old one, and does not say so
		t.Fatal(err)
	}
	for range 5 {
		s.mustCall()
	}
	p := s.sent()
	if len(p) != 6 || !p[0].MAC {
		t.Fatalf("sent %+v", p)
	}
	for _, after := range p[1:] {
		if after.MAC || !after.Direct {
			t.Errorf("sent %+v", p)
		}
	}
}

func TestKeysRotateUnderCalls(t *testing.T) {
	s := newNodes(t, 1, who)
	n := s.all[0]
	next := latticetest.NewKey(t, 'C')
	check := func(when string) {
		t.Helper()
		s.mustCall()
		if p := s.sent(); len(p) != 1 || !p[0].MAC {
			t.Errorf("%s: sent %+v", when, p)
		}
	}
	check("before")
	if err := s.verifier.Add(next.ClusterID()); err != nil {
		t.Fatal(err)
	}
	if err := n.agreement.Follow(next); err != nil {
		t.Fatal(err)
	}
	check("the node has the new key, the caller has not heard")
	n.beat(false)
	latticetest.Eventually(t, func() error {
		if got := rpc.IssuerOf(s.client, wire.ActorEntity(s.actor)); got != next.Public() {
			return fmt.Errorf("the caller thinks of %s", got)
		}
		return nil
	})
	check("the caller has heard")
	s.client.SetCluster(next)
	check("the caller has the new key, too")
	s.verifier.Remove(s.env.Cluster.ClusterID())
	check("the old one is trusted no more")
}

// capture keeps the messages that go to a node, beside delivering them.
func capture(t *testing.T, nc *nats.Conn, subj string) *nats.Subscription {
	t.Helper()
	sub, err := nc.SubscribeSync(subj)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return sub
}

func TestCapturedCallIsWorthNothing(t *testing.T) {
	s := newNodes(t, 2, who)
	subs := map[*station]*nats.Subscription{}
	for _, n := range s.all {
		subs[n] = capture(t, s.nc, subject.Host(s.env.Lattice, n.id))
	}
	took := s.mustCall()
	var receiver, other *station
	for _, n := range s.all {
		if string(n.id) == took {
			receiver = n
		} else {
			other = n
		}
	}
	msg, err := subs[receiver].NextMsg(patience)
	if err != nil {
		t.Fatal(err)
	}
	if inv, err := wire.DecodeInvocation(msg.Data); err != nil || !signing.IsMAC(inv.EncodedClaims) {
		t.Fatalf("%v, %v", inv, err)
	}
	send := func(subj string, data []byte) lattice.Code {
		t.Helper()
		reply, err := s.nc.RequestMsg(&nats.Msg{Subject: subj, Data: data}, patience)
		if err != nil {
			t.Fatal(err)
		}
		code, _ := lattice.ParseCode(reply.Header.Get("Weft-Error"))
		return code
	}
	if got := send(subject.Host(s.env.Lattice, receiver.id), msg.Data); got != lattice.ErrReplayed {
		t.Errorf("replayed: %s", got.Name())
	}
	for _, subj := range []string{subject.Host(s.env.Lattice, other.id)} {
		if got := send(subj, msg.Data); got != lattice.ErrTokenSignature {
			t.Errorf("to another node: %s", got.Name())
		}
	}
	change := func(edit func(*wire.Invocation)) []byte {
		inv, err := wire.DecodeInvocation(msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		edit(inv)
		return inv.Encode()
	}
	stranger := latticetest.NewKey(t, 'C')
	theirs, err := signing.NewAgreement(stranger, signing.NewVerifier(stranger.ClusterID(), s.env.Cluster.ClusterID()))
	if err != nil {
		t.Fatal(err)
	}
	seal := func(a *signing.Agreement, at time.Time) func(*wire.Invocation) {
		return func(i *wire.Invocation) {
			i.ID = "another-id-" + at.String()
			var err error
			if i.EncodedClaims, err = a.Seal(s.env.Cluster.ClusterID(), signing.Sealed{ID: i.ID, HostID: i.HostID,
				Receiver:  receiver.id,
				OriginURL: i.OriginURL(), TargetURL: i.TargetURL(), Operation: i.Operation, Msg: i.Msg},
				at); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(*wire.Invocation)
		want lattice.Code
	}{
		"another payload": {func(i *wire.Invocation) { i.Msg = []byte("y") }, lattice.ErrTokenSignature},
		"another id":      {func(i *wire.Invocation) { i.ID = "z" }, lattice.ErrTokenSignature},
		"another sender":  {func(i *wire.Invocation) { i.HostID = other.id }, lattice.ErrTokenSignature},
		"another origin": {func(i *wire.Invocation) { i.Origin.PublicKey = string(s.actor) },
			lattice.ErrTokenSignature},
		"no MAC": {func(i *wire.Invocation) { i.EncodedClaims = "weft1." },
			lattice.ErrTokenMalformed},
		"a stranger's key":   {seal(theirs, time.Now()), lattice.ErrUnknownIssuer},
		"an old call":        {seal(s.agree, time.Now().Add(-10*time.Minute)), lattice.ErrTokenExpired},
		"one of tomorrow":    {seal(s.agree, time.Now().Add(24*time.Hour)), lattice.ErrTokenNotYetValid},
		"good, for contrast": {seal(s.agree, time.Now()), 0},
	} {
		if got := send(subject.Host(s.env.Lattice, receiver.id), change(c.edit)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got.Name(), c.want.Name())
		}
	}
	if n := receiver.served.Load() + other.served.Load(); n != 2 {
		t.Errorf("%d calls were served, want the first one and the good one", n)
	}
}
