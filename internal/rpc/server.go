package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/dated"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
)

// ServerConfig configures a Server. Lattice, Verifier and Logger are required.
type ServerConfig struct {
	Lattice  lattice.Name
	Verifier *signing.Verifier
	Timeout  time.Duration // for calls that say no remaining time; default defaultServeTimeout
	MaxBytes uint64        // bounds requests and responses; default invocation.DefaultMaxBytes
	Budget   *load.Budget  // bounds what large payloads take of the process's memory; default a budget of its own
	MaxAge   time.Duration // how long ago an invocation may have been signed; 0: any time, as in the dialect
	MaxAhead time.Duration // how far a signer's clock may be ahead; 0: any
	Logger   *slog.Logger
	HostID   lattice.HostID // the host that serves, or that started the provider that does; required for ServeDirect
	// Agreement opens the MACs of other weft nodes; nil: only signatures are taken.
	Agreement *signing.Agreement
	// Directory knows how the clocks of other machines stand, so that calls that come late are not begun; nil: those
	// are.
	Directory *Directory
	// Streams has the streams beside calls; nil: callers get plain answers.
	Streams *Streams
	// Observe is called after each call, refused and busy ones included, concurrently; may be nil. The invocation is
	// nil when it could not be decoded. The trace of the caller is in ctx.
	Observe func(ctx context.Context, inv *wire.Invocation, took time.Duration, err error)
}

// Endpoint is one subject to serve.
type Endpoint struct {
	Target  wire.Entity // invocations addressed to another key are refused with lattice.ErrWrongTarget
	Subject string
	Queue   string
	Limit   int // calls admitted at the same time; beyond it lattice.ErrBusy; default defaultLimit
	// Instances is how many calls can be served without waiting. Those beyond it are admitted as long as the time that
	// they would wait is bounded (load.Admission), up to Limit; others get lattice.ErrBusy. 0: as many as Limit.
	Instances int
	Handler   invocation.Handler // serves a verified invocation
}

// Server receives, verifies and dispatches invocations. It is safe for concurrent use and does not own its connection.
type Server struct {
	session atomic.Pointer[session] // where endpoints are served; Move changes it
	cfg     ServerConfig
	now     func() time.Duration // since some moment, monotonic
	ctx     context.Context      // ends when the server is closed
	end     context.CancelFunc

	gate    load.Gate
	crew    crew
	untaken sync.WaitGroup // responses that may have to be deleted
	window  window
	seen    *seen
	clocks  clocks

	mu     sync.Mutex
	subs   map[*Subscription]struct{} // guarded by mu
	closed bool                       // guarded by mu

	targets sync.Map // of subs by the key of the target, for ServeDirect
}

// NewServer returns a server on a connection. Nothing is served until Serve.
func NewServer(nc *nats.Conn, cfg ServerConfig) *Server {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultServeTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = invocation.DefaultMaxBytes
	}
	if cfg.Budget == nil {
		cfg.Budget = load.NewBudget(0)
	}
	ctx, end := context.WithCancel(context.Background())
	begin := time.Now()
	s := &Server{cfg: cfg, now: func() time.Duration { return time.Since(begin) }, ctx: ctx, end: end,
		window: window{past: cfg.MaxAge, future: cfg.MaxAhead},
		seen:   newSeen(max(atMost(cfg.MaxAge)+atMost(cfg.MaxAhead), remember), maxSeen),
		subs:   map[*Subscription]struct{}{}}
	s.crew.Hire = s.crew.hire
	s.session.Store(newSession(nc, cfg.Lattice))
	return s
}

// Subscription is an endpoint being served.
type Subscription struct {
	server *Server
	ep     Endpoint
	on     nats.MsgHandler
	queue  load.Queue
	calls  sync.WaitGroup

	mu      sync.Mutex
	intakes []*intake // one, except for moments in which it moves to another connection; guarded by mu
	drained bool      // no more intakes, nor calls by Serve; guarded by mu
}

// Serve starts to serve an endpoint. When it returns, the NATS server knows of the subscription, unless it is away.
func (s *Server) Serve(ep Endpoint) (*Subscription, error) {
	sub := &Subscription{server: s, ep: ep, queue: load.Queue{Clock: s.now}}
	sub.on = sub.receive
	sub.SetLimit(ep.Limit, ep.Instances)
	if err := s.open(sub); err != nil {
		return nil, err
	}
	return sub, nil
}

// open subscribes. When it returns, the NATS server knows of the subscription, unless it is away.
func (s *Server) open(sub *Subscription) error {
	ep := &sub.ep
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return &lattice.Error{Code: lattice.ErrCanceled, Op: "serve", Entity: ep.Subject,
			Detail: "the server is closed"}
	}
	s.subs[sub] = struct{}{}
	nc := s.session.Load().nc // with the lock held: Move moves what is in subs
	err := sub.subscribe(nc)
	s.mu.Unlock()
	if err == nil {
		err = natsconn.Flush(s.ctx, nc)
	}
	if err != nil {
		sub.unsubscribe()
		s.mu.Lock()
		delete(s.subs, sub)
		s.mu.Unlock()
		return fmt.Errorf("serve %s: %w", ep.Subject, err)
	}
	if ep.Target.PublicKey != "" {
		s.targets.Store(ep.Target.PublicKey, sub)
	}
	return nil
}

// SetLimit changes how many calls are admitted at the same time, and how many of them are served without waiting; 0 or
// less means defaultLimit, and all of them.
func (sub *Subscription) SetLimit(n, instances int) {
	if n <= 0 {
		n = defaultLimit
	}
	sub.queue.SetLimit(n, instances)
}

// Active is the number of calls being served or waiting now.
func (sub *Subscription) Active() int { return sub.queue.Active() }

// Load is what the subscription has to do now.
func (sub *Subscription) Load() load.State { return sub.queue.State() }

// receive runs on the subscription's only callback goroutine, so it must not block.
func (sub *Subscription) receive(msg *nats.Msg) {
	// Where an instance is free, decoding is left to the worker. A call that would wait is decoded here, since how long
	// its caller waits decides whether it is let in, and the refusal must be quicker than the work.
	n, waits := sub.queue.Enter()
	if !waits {
		sub.calls.Add(1)
		sub.server.crew.Start(job{sub: sub, msg: msg})
		return
	}
	inv, err := wire.DecodeInvocation(msg.Data)
	refusal := err
	if err == nil {
		refusal = sub.waitFor(n, msg, inv)
	}
	if refusal != nil {
		sub.queue.Leave(false)
		sub.server.answer(sub.server.refused(msg, inv), msg, inv, nil, 0, refusal, err == nil)
		return
	}
	sub.calls.Add(1)
	sub.server.crew.Start(job{sub: sub, msg: msg, inv: inv})
}

// waitFor decides about a call that finds all instances in use and that came over NATS.
func (sub *Subscription) waitFor(n int64, msg *nats.Msg, inv *wire.Invocation) error {
	left, _, late := sub.server.left(inv, msg.Header)
	if late != nil {
		return late
	}
	return sub.queue.Wait(n, left, inv.Origin.IsActor())
}

// serve serves an admitted call. The order is that of costs and of trust: what is late is not verified, what is large
// is fetched only when there is room, what is not verified reaches neither the gate nor the handler. Whatever fails, an
// answer follows, but where a stream has carried it.
func (sub *Subscription) serve(w *worker, j job) {
	defer sub.calls.Done()
	served := false
	defer func() { sub.queue.Leave(served) }()
	s, msg, inv := sub.server, j.msg, j.inv
	defer j.flow.drop()
	start := time.Now()
	var err error
	if inv == nil {
		inv, err = wire.DecodeInvocation(msg.Data)
	}
	left, told, late := s.left(inv, msg.Header)
	if !told {
		left = s.cfg.Timeout
	}
	// Fetching a large request takes its time, and this caller has not said how long it waits.
	if inv != nil && inv.ContentLength > uint64(len(inv.Msg)) && !told {
		left += load.Allowance
	}
	ctx := &invocation.Context{Patient: !told, Depth: depthOf(inv, msg.Header)}
	ctx.Begin(start.Add(left))
	ctx.Room.Use(s.cfg.Budget)
	if inv != nil {
		ctx.Trace, ctx.Traced = traceOf(inv, msg.Header)
	}
	w.begin(ctx, start)
	defer w.end(ctx)
	defer ctx.Room.End()
	if s.ctx.Err() != nil { // after begin: Close looks for calls once that has ended
		ctx.Cancel(context.Canceled)
	}
	var payload []byte
	unbegun := false
	if err == nil && late != nil {
		err, unbegun = late, true
	}
	if err == nil {
		err = sub.complete(ctx, &ctx.Room, inv)
	}
	var id string
	if err == nil {
		id, err = sub.verify(inv)
		// What was received before may have been served; the rest was refused.
		unbegun = err != nil && !errors.Is(err, lattice.ErrReplayed)
	}
	if err == nil {
		// The gate is shut while keys or links are exchanged. A call may have waited there until its caller gave up.
		if err = s.gate.Enter(ctx); err == nil {
			if now := time.Now(); told && ctx.Due(now) { // what it waited in here
				err, unbegun = tooLate(now.Sub(start), left), true
				s.seen.remove(id)
				s.gate.Leave()
			} else {
				s.offer(ctx, j.flow, msg, inv)
				left := s.leaveOnce(ctx.Offer)
				payload, err = sub.ep.Handler.Serve(ctx, inv, s.cfg.Logger)
				served = !invocation.NotBegun(err)
				left()
				if ctx.Offer != nil && ctx.Offer.Close(err) {
					s.observe(ctx, inv, time.Since(start), err)
					return
				}
			}
		}
		if invocation.NotBegun(err) && !ctx.Room.Answering() {
			s.seen.remove(id) // so that it may be delivered again
			unbegun = true
		}
	}
	s.answer(ctx, msg, inv, payload, time.Since(start), err, unbegun)
}

// complete fetches the payload of an invocation that came without: in the wire dialect one above 900 KiB travels
// through the lattice's object store, under the invocation's id. It is fetched before the claims are verified, since
// these are over its hash. Of a call that is refused the object is deleted: its caller does not come back for it.
func (sub *Subscription) complete(ctx context.Context, room *load.Room, inv *wire.Invocation) (err error) {
	if inv.ContentLength <= uint64(len(inv.Msg)) {
		return nil
	}
	s, store := sub.server, sub.server.session.Load().large
	if inv.ContentLength > s.cfg.MaxBytes {
		store.Drop(inv.ID)
		return invocation.TooLarge("request", inv.ContentLength, s.cfg.MaxBytes)
	}
	if err := room.Request(ctx, int64(inv.ContentLength)); err != nil {
		store.Drop(inv.ID)
		return err
	}
	large, err := store.Take(ctx, inv.ID, inv.ContentLength)
	if err != nil {
		return err
	}
	defer large.Close()
	inv.Msg, err = large.All(ctx)
	return err
}

// verify checks the claims of an invocation and that it did not come before, and returns the id that was signed. Ids
// are remembered last: what fails a check cannot use one up.
func (sub *Subscription) verify(inv *wire.Invocation) (id string, err error) {
	// Clients of the dialect send host ids that are no valid keys; only their form counts.
	if len(inv.HostID) != lattice.KeyLength || inv.HostID[0] != 'N' && inv.HostID[0] != 'C' {
		return "", &lattice.Error{Code: lattice.ErrTokenMalformed, Detail: "host_id " + lattice.Printable(inv.HostID) +
			" is not the key of a host"}
	}
	now := time.Now()
	verified, err := sub.server.authenticate(inv, now)
	if err == nil && inv.Target.PublicKey != sub.ep.Target.PublicKey {
		err = &lattice.Error{Code: lattice.ErrWrongTarget, Detail: lattice.Printable(inv.Target.PublicKey)}
	}
	if err == nil {
		err = sub.server.admitOnce(inv, verified, now)
	}
	return verified.ID, err
}

// authenticate checks the maker of an invocation: by a MAC for this host, or by a signature. Both are over the same
// things.
func (s *Server) authenticate(inv *wire.Invocation, now time.Time) (signing.Verified, error) {
	origin, to := inv.URLs()
	if s.cfg.Agreement != nil && signing.IsMAC(inv.EncodedClaims) {
		return s.cfg.Agreement.Open(inv.EncodedClaims, signing.Sealed{ID: inv.ID, HostID: inv.HostID,
			Receiver:  s.cfg.HostID,
			OriginURL: origin, TargetURL: to, Operation: inv.Operation, Msg: inv.Msg})
	}
	return s.cfg.Verifier.VerifyInvocation(inv.EncodedClaims,
		signing.Invocation{ID: inv.ID, OriginURL: origin, TargetURL: to,
			Hash: wire.Hash(origin, to, inv.Operation, inv.Msg)}, now)
}

// Hold lets no call begin while do runs, which waits for those in progress first, until ctx ends at the latest. Calls
// that come meanwhile wait, as long as their callers do. Holds must not overlap.
func (s *Server) Hold(ctx context.Context, do func() error) error {
	s.gate.Shut(ctx)
	defer s.gate.Open()
	return do()
}

// answer sends the outcome of a call, and observes it. Errors are answered too: silence would be a timeout to the
// caller. An unbegun call may be made elsewhere.
func (s *Server) answer(ctx context.Context, msg *nats.Msg, inv *wire.Invocation, payload []byte, took time.Duration,
	err error, unbegun bool) {
	resp := &wire.Response{InvocationID: "UNKNOWN"}
	if inv != nil {
		resp.InvocationID = inv.ID
	}
	if err == nil && msg.Reply != "" {
		err = s.fill(ctx, resp, payload)
	}
	if msg.Reply != "" {
		reply := &nats.Msg{Subject: msg.Reply}
		if err != nil {
			resp.Error = invocation.Text(err)
			reply.Header = nats.Header{wire.HeaderError: {lattice.CodeOf(err).Name()}}
			if unbegun {
				reply.Header[headerUnbegun] = unbegunMark
			}
		}
		if len(msg.Header[headerAsk]) > 0 {
			if reply.Header == nil {
				reply.Header = nats.Header{}
			}
			reply.Header[wire.HeaderHost] = []string{string(s.cfg.HostID)}
		}
		buf := newBuffer()
		defer buf.free()
		resp.EncodeTo(&buf.Writer)
		reply.Data = buf.Bytes()
		// The present connection, which may not be the one that the call came by: see Move.
		if perr := s.session.Load().nc.PublishMsg(reply); perr != nil && !errors.Is(perr, nats.ErrConnectionClosed) {
			s.cfg.Logger.Warn("answer not sent", lattice.LogErr, perr)
		}
	}
	s.observe(ctx, inv, took, err)
}

// observe runs on the goroutine of the call, after its answer has gone.
func (s *Server) observe(ctx context.Context, inv *wire.Invocation, took time.Duration, err error) {
	if s.cfg.Observe != nil {
		s.cfg.Observe(ctx, inv, took, err)
	}
}

// refused is the context of a call that is answered before it has one.
func (s *Server) refused(msg *nats.Msg, inv *wire.Invocation) context.Context {
	if inv != nil {
		if tc, ok := traceOf(inv, msg.Header); ok {
			return trace.With(s.ctx, tc)
		}
	}
	return s.ctx
}

// fill puts the payload into the response, or into the object store when it is too large for a message.
func (s *Server) fill(ctx context.Context, resp *wire.Response, payload []byte) error {
	n := uint64(len(payload))
	switch {
	case n > s.cfg.MaxBytes:
		return invocation.TooLarge("response", n, s.cfg.MaxBytes)
	case n > wire.MaxInlineBytes:
		if err := load.Reserve(ctx, len(payload)); err != nil {
			return err
		}
		name := chunks.Response(resp.InvocationID)
		if err := s.session.Load().large.Put(ctx, name, func() (io.Reader, bool) {
			return bytes.NewReader(payload),
				true
		}); err != nil {
			return err
		}
		s.dropUntaken(ctx, name)
	default:
		resp.Msg = payload
	}
	resp.ContentLength = n
	return nil
}

// untaken is how long after the end of a call its response waits for a caller that is late.
const untaken = 5 * time.Second

// dropUntaken deletes a response that its caller does not take: it has gone, or never heard of it.
func (s *Server) dropUntaken(ctx context.Context, name string) {
	wait := untaken
	if deadline, ok := ctx.Deadline(); ok {
		wait += time.Until(deadline)
	}
	s.untaken.Go(func() {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			s.session.Load().large.Drop(name)
		case <-s.ctx.Done(): // the sweep does it
		}
	})
}

// depthOf is the depth that a call says. It is bounded, not refused: a caller that lies gains nothing, since the next
// call from here counts one more.
func depthOf(inv *wire.Invocation, h nats.Header) int {
	if inv != nil && inv.Depth > 0 {
		return int(min(inv.Depth, invocation.MaxDepth))
	}
	if v := h[headerDepth]; len(v) > 0 {
		if n, err := strconv.ParseUint(v[0], 10, 32); err == nil {
			return int(min(n, invocation.MaxDepth))
		}
	}
	return 0
}

// remaining is how long the caller waits, if it says so. There is no invocation when it could not be decoded.
func remaining(inv *wire.Invocation, h nats.Header) (time.Duration, bool) {
	if inv != nil && inv.Timeout > 0 {
		return time.Duration(inv.Timeout) * time.Millisecond, true
	}
	if v := h[dated.HeaderTimeout]; len(v) > 0 {
		if ms, err := strconv.ParseInt(v[0], 10, 32); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond, true
		}
	}
	return 0, false
}

// Close drains every subscription at once; when ctx ends first, the calls still running are canceled. It returns when
// their handlers have. The server cannot be used afterwards. Closing twice is no error.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	var subs []*Subscription
	for sub := range s.subs {
		subs = append(subs, sub)
	}
	s.mu.Unlock()
	errs := make([]error, len(subs))
	var wg sync.WaitGroup
	for i, sub := range subs {
		wg.Go(func() { errs[i] = sub.Drain(ctx) })
	}
	wg.Wait()
	s.end()
	s.crew.cancel()
	for _, sub := range subs {
		sub.calls.Wait()
	}
	s.crew.End()
	s.crew.Wait()
	s.untaken.Wait()
	return errors.Join(errs...)
}
