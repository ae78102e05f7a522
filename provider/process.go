package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/linkfile"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/internal/process/profile"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// HealthTimeout bounds a health check.
const HealthTimeout = time.Second

// linkBacklog is how many link events wait at most while the provider works on one; a lattice sends far fewer at once.
const linkBacklog = 1 << 14

// process is a provider that runs: its connection, its links and its subscriptions.
type process struct {
	info     Info
	host     lattice.HostID
	lattice  lattice.Name
	id       lattice.ProviderID
	link     lattice.LinkName
	log      *slog.Logger
	nc       *nats.Conn
	links    *table
	metrics  *metrics
	provider Provider
	large    *load.Budget
	streams  *stream.Meter
	peer     *peer.Peer
	conn     natsconn.Config // how nc was made; asks login
	natsURL  string          // as host data says; conn may have another
	direct   wire.NATSAccess // zero where host data has none
	login    atomic.Pointer[natsconn.Login]
	serving  atomic.Pointer[rpc.Subscription] // nil until the intake is open
	uplink   *uplink                          // nil where the host offers none
	access   *wire.Channel
	failures *teller
	profiles *profile.Server // nil where the host does not want them
	inside   *channel.End    // instead, when it runs in the host's process
	timeout  time.Duration
	quit     context.CancelFunc // ends the process in order

	subs   []*nats.Subscription
	events chan *nats.Msg // link puts and deletions, in the order of the connection
	done   chan struct{}  // closed to end the events' goroutine
	loop   sync.WaitGroup
}

// newProcess reads who the process is from the host data, connects and makes the provider. Nothing is served yet.
func newProcess(ctx context.Context, opts Options, hd wire.HostData, log *slog.Logger, factory Factory,
	quit context.CancelFunc) (*process, error) {
	info := opts.Info
	p := &process{info: info, inside: channel.Offered(ctx), log: log, quit: quit, done: make(chan struct{}),
		failures: newTeller(), events: make(chan *nats.Msg, linkBacklog)}
	cluster, err := p.identify(hd)
	if err != nil {
		return nil, err
	}
	p.links = &table{host: p.host, id: p.id, name: p.link, log: log, values: info.Values,
		grants: map[lattice.ActorID]*grant{}}
	if info.Values != nil {
		// the factory judges it, which may have a form of its own
		p.links.defaults, _ = info.Values.Defaults(hd.ConfigJSON)
	}
	p.metrics = newMetrics(info, p.links)
	timeout := time.Duration(hd.DefaultRPCTimeoutMS) * time.Millisecond
	if timeout <= 0 || timeout > time.Hour {
		timeout = rpc.DefaultTimeout
	}
	url, login := loginOf(hd)
	p.login.Store(&login)
	p.conn = natsconn.Config{URL: url, Name: "provider " + info.Name,
		Login:                func() natsconn.Login { return *p.login.Load() },
		ReconnectBufferBytes: natsconn.NoBuffer, JSDomain: hd.JSDomain, Logger: log}
	p.natsURL = url
	if d := hd.NATS; d != nil {
		p.direct = *d
		p.conn.URL, p.conn.TLS, p.conn.TLSRoots, p.conn.TLSName, p.conn.TLSFirst = d.URL, true, d.Roots, d.Name, d.First
	}
	first := p.conn
	first.Background = true // the provider serves its host without NATS, too
	if p.nc, err = natsconn.Connect(ctx, first); err != nil {
		return nil, err
	}
	p.access, p.timeout = hd.Channel, timeout
	p.large, p.streams = load.NewBudget(0), new(stream.Meter)
	for _, c := range p.streams.Metrics(true) {
		if err := p.metrics.registerer.Register(c); err != nil {
			return nil, err
		}
	}
	p.peer, err = peer.New(p.nc, p.nc, peer.Config{Lattice: p.lattice, HostID: hd.HostID, Cluster: cluster,
		Trusted: trusted(cluster, hd), Budget: p.large, Meter: p.streams, Logger: log, CallTimeout: timeout,
		Sent: p.metrics.sent, Observe: p.metrics.observe})
	if err != nil {
		p.nc.Close()
		return nil, err
	}
	p.provider, err = factory(Env{Logger: log, Lattice: p.lattice, HostID: p.host, ProviderID: p.id, LinkName: p.link,
		InstanceID: hd.InstanceID, ConfigJSON: hd.ConfigJSON, Values: hd.EnvValues,
		ReadFile: linkfile.Folders(hd.FilesDirs).Read, Timeout: timeout,
		Metrics: p.metrics.registerer, NATS: p.nc, Invoker: p, Tell: p.failures.tell, Large: p.large})
	if err != nil {
		p.nc.Close()
		return nil, fmt.Errorf("make provider %s: %w", info.Name, err)
	}
	p.links.provider = p.provider
	if hd.ProfileSocket != "" {
		if p.profiles, err = profile.Listen(hd.ProfileSocket); err != nil {
			log.Warn("no profiles of this provider", lattice.LogErr, err)
		}
	}
	return p, nil
}

// trusted are the public keys of all that calls may be signed with.
func trusted(cluster signing.KeyPair, hd wire.HostData) []lattice.ClusterID {
	return append([]lattice.ClusterID{cluster.ClusterID()}, hd.ClusterIssuers...)
}

func (p *process) identify(hd wire.HostData) (cluster signing.KeyPair, err error) {
	p.lattice, p.id, p.link, p.host = hd.LatticeRPCPrefix, hd.ProviderKey, hd.LinkName.OrDefault(), hd.HostID
	cluster, err = signing.FromSeed(hd.InvocationSeed)
	if err = errors.Join(p.lattice.Check(), p.id.Check(), p.link.Check(), p.host.Check(), err); err == nil &&
		cluster.Kind() != 'C' {
		err = &lattice.Error{Code: lattice.ErrInvalid, Detail: "invocation_seed is not the seed of a cluster key"}
	}
	if err != nil {
		err = fmt.Errorf("read host data: %w", err)
	}
	return cluster, err
}

// start puts the initial links and then opens the intake: links, invocations, the questions about the process, and
// health last, since a host takes its answer for readiness.
func (p *process) start(ctx context.Context, initial []wire.LinkDefinition) error {
	for _, s := range []string{subject.LinkPut(p.lattice, p.id, p.link), subject.LinkDel(p.lattice, p.id, p.link),
		subject.LinkCheck(p.lattice, p.id, p.link)} {
		sub, err := p.nc.ChanSubscribe(s, p.events)
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", s, err)
		}
		p.subs = append(p.subs, sub)
	}
	if err := natsconn.Flush(ctx, p.nc); err != nil { // links put from now on wait in events
		return fmt.Errorf("subscribe links: %w", err)
	}
	for _, def := range initial {
		p.links.put(ctx, def)
	}
	p.loop.Go(p.handleLinks)
	sub, err := p.peer.Server.Serve(rpc.Endpoint{Target: wire.ProviderEntity(p.id, p.info.Contract, p.link),
		Subject: subject.Provider(p.lattice, p.id, p.link), Queue: subject.ProviderQueue, Limit: p.info.Limit,
		Handler: p.handle})
	if err != nil {
		return err
	}
	if _, err := p.peer.Server.ServeDirect(subject.ProviderAt(p.lattice, p.id, p.link, p.host),
		func() []byte { return wire.Served{}.Encode() }); err != nil {
		return err
	}
	p.serving.Store(sub)
	calls := channel.Config{Handler: p.serveLocal, MaxBytes: invocation.DefaultMaxBytes, Budget: p.large,
		Streams: p.streams, Logger: p.log}
	switch {
	case p.inside != nil:
		p.uplink = joinUplink(p.inside, calls, introduction(&p.info))
	case p.access != nil:
		p.uplink = openUplink(*p.access, calls, introduction(&p.info), p.log)
		p.peer.Directory.Wake() // other hosts that serve a target must be known when this host does not any more
	}
	p.failures.start(p.uplink)
	for _, s := range []struct {
		subject string
		answer  nats.MsgHandler
	}{
		{subject.LinkStates(p.lattice, p.id, p.link), p.answerLinks},
		{subject.ProviderMetrics(p.lattice, p.id, p.link, p.host), p.answerMetrics},
		{subject.Shutdown(p.lattice, p.id, p.link), p.answerShutdown},
		{subject.Health(p.lattice, p.id, p.link), p.answerHealth},
	} {
		sub, err := p.nc.Subscribe(s.subject, s.answer)
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", s.subject, err)
		}
		p.subs = append(p.subs, sub)
	}
	if err := natsconn.Flush(ctx, p.nc); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// stop closes the intake, finishes what is in progress, and ends the provider and the connection. It does all of it
// even when a part fails, and is safe after a start that failed.
func (p *process) stop(ctx context.Context) error {
	var errs []error
	for _, sub := range p.subs {
		_ = sub.Unsubscribe()
	}
	errs = append(errs, p.drainCalls(ctx))
	close(p.done)
	p.loop.Wait()
	if s, ok := p.provider.(Shutdowner); ok {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("shut down provider: %w", err))
		}
	}
	p.peer.Directory.Close()
	p.failures.close()
	errs = append(errs, p.profiles.Close())
	p.uplink.close(ctx) // after the provider, whose last calls may take that way
	errs = append(errs, natsconn.Close(ctx, p.nc))
	return errors.Join(errs...)
}

// awayTimeout bounds the wait for calls in progress when no caller could get their answers.
const awayTimeout = time.Second

func (p *process) drainCalls(ctx context.Context) error {
	if p.nc.IsConnected() {
		return p.peer.Server.Close(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, awayTimeout)
	defer cancel()
	_ = p.peer.Server.Close(ctx) // it cannot drain without a server
	return nil
}

// handleLinks is the one goroutine that changes the link table after the start.
func (p *process) handleLinks() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	go func() { // an event in progress must not hold up the end
		defer close(stopped)
		<-p.done
		cancel()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.done:
			return
		case msg := <-p.events:
			p.linkEvent(ctx, msg)
		case <-timer.C:
		}
		if next := p.links.retry(ctx, time.Now()); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(time.Until(next), time.Millisecond))
		}
	}
}

func (p *process) linkEvent(ctx context.Context, msg *nats.Msg) {
	if natsconn.FromStream(msg) {
		p.log.Warn("a link that no host sent is ignored: JetStream delivered it")
		return
	}
	def, err := wire.DecodeLinkDefinition(msg.Data)
	if err != nil {
		p.log.Warn("link event ignored", lattice.LogErr, err)
		return
	}
	var state *wire.LinkState
	switch msg.Subject {
	case subject.LinkDel(p.lattice, p.id, p.link):
		p.links.del(ctx, def)
	case subject.LinkCheck(p.lattice, p.id, p.link):
		state = p.links.check(ctx, def)
	default:
		state = p.links.put(ctx, def)
	}
	if msg.Reply != "" && state != nil { // a client that asks gets the outcome
		p.answerJSON(msg, state)
	}
}

// handle serves an invocation that rpc.Server has verified.
func (p *process) handle(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	if !lattice.IsKey(inv.Origin.PublicKey, 'M') {
		return nil, unlinked(inv.Origin.Actor())
	}
	g, err := p.links.acquire(ctx, inv.Origin.Actor())
	if err != nil {
		return nil, err
	}
	defer g.calls.Done()
	if !slices.Contains(p.info.Operations, inv.Operation) {
		knows := strings.Join(p.info.Operations, ", ")
		if knows == "" {
			knows = "no operations: it calls actors"
		}
		return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(inv.Operation),
			Detail: fmt.Sprintf("unknown operation; %s has %s", p.info.Name, knows)}
	}
	beside := offered(ctx)
	if beside != nil && !p.info.Streams {
		if beside.Body {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "call", Entity: lattice.Printable(inv.Operation),
				Detail: p.info.Name + " takes no body beside a call"}
		}
		beside = nil
	}
	return p.provider.Handle(ctx, Call{Actor: g.link.Actor, Operation: inv.Operation, Payload: inv.Msg, Link: g.link,
		Stream: beside})
}

// serveLocal serves an invocation that came from the host itself, over the local channel.
func (p *process) serveLocal(ctx context.Context, inv *wire.Invocation) ([]byte, error) {
	if inv.Origin.PublicKey == string(p.host) { // the process is meant, not the capability
		return p.obey(ctx, inv.Operation)
	}
	sub := p.serving.Load()
	if sub == nil || inv.Target.LinkName != p.link {
		return nil, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call",
			Entity: lattice.Printable(inv.Target.PublicKey), Detail: "not served over this channel"}
	}
	return sub.Serve(ctx, inv)
}

// Call is the Invoker of the provider.
func (p *process) Call(ctx context.Context, actor lattice.ActorID, operation string, payload []byte) ([]byte, error) {
	call, route, err := p.address(actor, operation, Request{Payload: payload})
	if err != nil {
		return nil, err
	}
	return peer.Route(route, &call,
		func(stay bool) ([]byte, error, bool) {
			result, _, err, done := p.callLocal(ctx, &call, stay, false)
			return result, err, done
		},
		func() ([]byte, error) { return p.peer.Client.Call(ctx, call) })
}

// Open is the Invoker of the provider.
func (p *process) Open(ctx context.Context, actor lattice.ActorID, operation string, r Request) (Answer, error) {
	taken := false
	call, route, err := p.address(actor, operation, r)
	if err != nil {
		return nil, err
	}
	call.Stream = r.Stream.caller(&taken)
	return peer.Route(route, &call,
		func(stay bool) (Answer, error, bool) {
			result, held, err, done := p.callLocal(ctx, &call, stay, true)
			if err != nil || !done || taken {
				return nil, err, done
			}
			return rpc.NewHeldAnswer(result, p.large, held), nil, true
		},
		func() (Answer, error) {
			answer, err := p.peer.Client.Open(ctx, call)
			if err != nil || taken {
				return nil, err
			}
			return answer, nil
		})
}

// Streams is the Invoker of the provider.
func (p *process) Streams(actor lattice.ActorID) bool {
	return p.uplink.takes(actor) || p.peer.Directory.Streams(wire.ActorEntity(actor))
}

// address makes the call to an actor that has a link, in the name of the link's contract: the actor's claims are
// checked for it.
func (p *process) address(actor lattice.ActorID, operation string, r Request) (rpc.Call, wire.Route, error) {
	contract, route, ok := p.links.target(actor)
	if !ok {
		return rpc.Call{}, "", unlinked(actor)
	}
	return rpc.Call{Origin: wire.ProviderEntity(p.id, contract, p.link), Target: wire.ActorEntity(actor),
		Operation: operation,
		Payload:   r.Payload, Body: r.Body, BodyLength: r.BodyLength, Timeout: r.Timeout}, route, nil
}

// callLocal makes a call over the channel when the actor runs on the host. It reports false when the call has not begun
// there and may be made over NATS, which with stay it is not. With keep, held is what a large result takes of the
// budget until the caller gives it back.
func (p *process) callLocal(ctx context.Context, call *rpc.Call, stay, keep bool) (result []byte, held int64,
	err error, done bool) {
	actor := call.Target.Actor()
	switch entrance := p.uplink.entrance(actor); {
	case entrance != nil && call.Stream.HasBody() && !p.uplink.takes(actor): // another host may take it
		return nil, 0, nil, false
	// they answer, the host does not
	case entrance != nil && !stay && p.uplink.hangs() && p.peer.Directory.Others(call.Target, p.host):
		p.peer.Directory.Doubt(p.host)
		return nil, 0, nil, false
	// The actor runs on this host. The entrance decides whether the call may wait in the channel, which the host does
	// not see.
	case entrance != nil:
		timeout := p.timeout
		if call.Timeout > 0 {
			timeout = call.Timeout
		}
		if call.Once() { // its sender may be slow, which is no sign of a queue: the entrance does not count it
			entrance = new(load.Entrance)
		}
		if err := entrance.Enter(channel.Now, timeout); err != nil {
			if !stay && !call.Once() && p.peer.Directory.Others(call.Target, p.host) {
				return nil, 0, nil, false
			}
			p.metrics.turnedAway.Inc()
			return nil, 0, err, true
		}
		local := &channel.Call{Origin: call.Origin, Target: call.Target, Operation: call.Operation,
			Payload: call.Payload, Body: call.Body, BodyLength: call.BodyLength,
			Stay: stay || call.Once(), Keep: keep}
		left := false
		if call.Stream != nil && p.uplink.takes(actor) {
			taker := *call.Stream
			taker.Take = func(head []byte, s *stream.Stream) error { // a stream does not stand in anybody's way
				entrance.Leave(channel.Now, 0, 0, 0)
				left = true
				return call.Stream.Take(head, s)
			}
			local.Stream = &taker
		}
		result, err = p.uplink.group.Call(ctx, local, timeout)
		if !local.Stay && channel.Elsewhere(err) && !p.nc.IsConnected() { // there is no elsewhere: it waits here
			local.Stay = true
			result, err = p.uplink.group.Call(ctx, local, timeout)
		}
		if !left {
			entrance.Leave(channel.Now, local.Ended, local.Lasted, local.Served)
		}
		if local.Stay || !channel.Elsewhere(err) {
			return result, local.Held, err, true
		}
		return nil, 0, nil, false
	}
	return nil, 0, nil, false
}

// obey does what the host asks this very process.
func (p *process) obey(ctx context.Context, operation string) ([]byte, error) {
	switch operation {
	case channel.OpAlive:
		return nil, nil
	case channel.OpHealth:
		return p.health(ctx).Encode(), nil
	case channel.OpShutdown:
		p.log.Info("the host asks to shut down")
		p.quit()
		return nil, nil
	}
	return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "obey", Entity: lattice.Printable(operation),
		Detail: "unknown to this process"}
}

func (p *process) health(ctx context.Context) wire.Health {
	c, ok := p.provider.(HealthChecker)
	if !ok {
		return wire.Health{Healthy: true}
	}
	ctx, cancel := context.WithTimeout(ctx, HealthTimeout)
	defer cancel()
	if err := p.links.guard(ctx, "check health", c.Health); err != nil {
		return wire.Health{Message: err.Error()}
	}
	return wire.Health{Healthy: true}
}

func (p *process) answerHealth(msg *nats.Msg) {
	p.respond(msg, p.health(context.Background()).Encode())
}

// answerLinks tells the links of the process, or the one of the actor whose key is asked for.
func (p *process) answerLinks(msg *nats.Msg) {
	list := p.links.states()
	if lattice.IsKey(string(msg.Data), 'M') {
		list = slices.DeleteFunc(list, func(s wire.LinkState) bool { return s.ActorID != lattice.ActorID(msg.Data) })
	}
	p.answerJSON(msg, list)
}

func (p *process) answerJSON(msg *nats.Msg, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.log.Error("link states not encoded", lattice.LogErr, err)
		return
	}
	p.respondMsg(msg, &nats.Msg{Header: nats.Header{wire.HeaderHost: {string(p.host)}}, Data: b})
}

func (p *process) answerMetrics(msg *nats.Msg) {
	b, err := p.metrics.text()
	if err != nil {
		p.log.Error("metrics not rendered", lattice.LogErr, err)
		return
	}
	p.respond(msg, b)
}

// answerShutdown ends the process when its own host asks; the subject is shared with the processes of other hosts.
func (p *process) answerShutdown(msg *nats.Msg) {
	var request struct {
		HostID string `json:"host_id"`
	}
	if err := json.Unmarshal(msg.Data, &request); err != nil || request.HostID != string(p.host) ||
		natsconn.FromStream(msg) {
		p.log.Debug("shutdown request of another host ignored")
		return
	}
	p.respond(msg, []byte("shutting down"))
	if err := p.nc.FlushTimeout(time.Second); err != nil {
		p.log.Debug("shutdown answer not flushed", lattice.LogErr, err)
	}
	p.log.Info("the host asks to shut down")
	p.quit()
}

func (p *process) respond(msg *nats.Msg, b []byte) { p.respondMsg(msg, &nats.Msg{Data: b}) }

func (p *process) respondMsg(msg, reply *nats.Msg) {
	if msg.Reply == "" {
		return
	}
	if err := msg.RespondMsg(reply); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		p.log.Warn("answer not sent", lattice.LogErr, err)
	}
}
