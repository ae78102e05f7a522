package rpc

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Streams beside calls over NATS. Only a call that is meant for one host and has a MAC can have one, to a target of
// which the host says that it takes streams (wire.Served.Streams). The id of its invocation, which the MAC binds, ends
// with what the caller offers. Frames go to the subjects by which the two nodes are called by themselves: that of the
// target's host, and that of the caller, which follows from the origin and host that the MAC binds. Each has a MAC of
// its own under a key of the call, and a number. A frame is
//
//	0xc1      which begins no msgpack
//	version   1
//	side      of the sender: 0 makes the call, 1 serves it
//	kind      a stream.Kind
//	number    uint64, little endian, counts from 0 for each side
//	length    of the id, uint8, and the id
//	payload
//	MAC       the first 16 bytes of an HMAC-SHA256 over all that comes before
const (
	frameMark    = 0xc1
	frameVersion = 1
	frameMAC     = 16
	frameFixed   = 4 + 8 + 1
)

// What the id of a call ends with whose caller takes a stream, and sends a body beside it.
const (
	takesMark = "+stream"
	bodyMark  = "+body"
)

// Times of streams.
const (
	streamTick = time.Second
	// streamAlive is how long an end sends no frame before it sends one that says no more than that it is there.
	streamAlive = 1500 * time.Millisecond
	streamAway  = 2 * time.Second // that a frame waits for a connection that is away
	streamRetry = 50 * time.Millisecond
	maxAhead    = 256 // frames that came before one that they have overtaken

	// What the other end has is counted in ticks of this process, one after the other, rather than by a clock. A
	// process that was stopped, or got no processor, has had none meanwhile: it looks at what has come before it gives
	// anything up.
	silentTicks = 10 // without a frame after which the other end counts as gone
	gapTicks    = 5  // that a frame which was overtaken may take
)

// Streams are the ends of streams over NATS of one process. It is safe for concurrent use.
type Streams struct {
	lattice   lattice.Name
	host      lattice.HostID
	agreement *signing.Agreement
	meter     *stream.Meter

	mu      sync.Mutex
	flows   map[flowKey]*flow // guarded by mu
	ticking bool              // guarded by mu
}

// flowKey tells the ends of streams apart. Both ends of one may be in this process, when a host calls itself over NATS.
type flowKey struct {
	id   string
	side stream.Side
}

// flow is one end of a stream, and how its frames go.
type flow struct {
	all    *Streams
	key    flowKey
	to     string
	conn   func() *nats.Conn
	beside *stream.Stream
	body   bool
	out    *stream.Sending // of a caller's body; nil: none
	secret [sha256.Size]byte

	sending sync.Mutex // held while a frame is published: numbers are in the order of publishing
	number  uint64     // guarded by sending
	buf     []byte     // guarded by sending
	mac     hash.Hash  // guarded by sending

	next  uint64            // guarded by Streams.mu
	ahead map[uint64][]byte // frames by number, kind first; guarded by Streams.mu
	held  int               // bytes in ahead; guarded by Streams.mu
	gap   int               // ticks since the frame is missing that would be next; guarded by Streams.mu
	quiet int               // ticks since a frame came; guarded by Streams.mu
	check hash.Hash         // guarded by Streams.mu

	said   atomic.Int64 // when the last frame went, in nanoseconds since flowEpoch
	cancel atomic.Pointer[func()]
}

var flowEpoch = time.Now()

func flowNow() int64 { return int64(time.Since(flowEpoch)) }

// NewStreams returns the streams of a process of a host. meter may be nil.
func NewStreams(l lattice.Name, host lattice.HostID, a *signing.Agreement, meter *stream.Meter) *Streams {
	return &Streams{lattice: l, host: host, agreement: a, meter: meter, flows: map[flowKey]*flow{}}
}

// add makes an end of the stream of a call that has a MAC.
func (s *Streams) add(side stream.Side, inv *wire.Invocation, to string, conn func() *nats.Conn) (*flow, error) {
	body := strings.HasSuffix(inv.ID, bodyMark)
	f := &flow{all: s, key: flowKey{inv.ID, side}, to: to, conn: conn, body: body}
	var err error
	if f.secret, err = s.agreement.StreamKey(inv.EncodedClaims, inv.ID, side == stream.Calling); err != nil {
		return nil, err
	}
	f.mac, f.check = hmac.New(sha256.New, f.secret[:]), hmac.New(sha256.New, f.secret[:])
	f.said.Store(flowNow())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows[f.key] != nil {
		return nil, &lattice.Error{Code: lattice.ErrReplayed, Detail: "the call has a stream already"}
	}
	f.beside = stream.New(side, body, f.send, s.meter)
	s.flows[f.key] = f
	if !s.ticking {
		s.ticking = true
		time.AfterFunc(streamTick, s.tick)
	}
	return f, nil
}

// drop forgets an end, which is over.
func (f *flow) drop() {
	if f == nil {
		return
	}
	f.all.mu.Lock()
	if f.all.flows[f.key] == f {
		delete(f.all.flows, f.key)
	}
	f.ahead, f.held = nil, 0
	f.all.mu.Unlock()
	f.beside.Abandon()
}

// send is the stream's Send.
func (f *flow) send(ctx context.Context, k stream.Kind, payload []byte) error {
	f.sending.Lock()
	defer f.sending.Unlock()
	b := f.frame(k, payload)
	for begin := time.Now(); ; {
		err := f.conn().PublishMsg(&nats.Msg{Subject: f.to, Data: b})
		if err == nil {
			f.number++
			f.said.Store(flowNow())
			return nil
		}
		if time.Since(begin) > streamAway || errors.Is(err, nats.ErrConnectionClosed) {
			return &lattice.Error{Code: lattice.ErrUnavailable, Op: "send a piece of a stream", Err: err}
		}
		select {
		case <-time.After(streamRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// frame makes the next frame, in buf. sending is held.
func (f *flow) frame(k stream.Kind, payload []byte) []byte {
	b := append(f.buf[:0], frameMark, frameVersion, byte(f.key.side), byte(k))
	b = binary.LittleEndian.AppendUint64(b, f.number)
	b = append(append(b, byte(len(f.key.id))), f.key.id...)
	b = append(b, payload...)
	f.mac.Reset()
	f.mac.Write(b)
	var sum [sha256.Size]byte
	f.buf = append(b, f.mac.Sum(sum[:0])[:frameMAC]...)
	return f.buf
}

// isFrame reports whether a message is a frame of a stream.
func isFrame(b []byte) bool { return len(b) > 0 && b[0] == frameMark }

// parseFrame takes a frame apart. signed is what its MAC is of.
func parseFrame(b []byte) (side stream.Side, kind stream.Kind, number uint64, id string, payload, signed, mac []byte,
	ok bool) {
	if len(b) < frameFixed+frameMAC || b[0] != frameMark || b[1] != frameVersion || b[2] > byte(stream.Serving) {
		return
	}
	signed, mac = b[:len(b)-frameMAC], b[len(b)-frameMAC:]
	n := int(b[12])
	if len(signed) < frameFixed+n {
		return
	}
	return stream.Side(b[2]), stream.Kind(b[3]), binary.LittleEndian.Uint64(b[4:]),
		string(signed[frameFixed : frameFixed+n]), signed[frameFixed+n:], signed, mac, true
}

// receive takes a frame. It runs on a callback goroutine, and does not block. What is not one of a stream that is here
// is passed over.
func (s *Streams) receive(b []byte) {
	if s == nil {
		return
	}
	from, kind, number, id, payload, signed, mac, ok := parseFrame(b)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.flows[flowKey{id, stream.Serving - from}]
	if f == nil {
		return
	}
	f.check.Reset()
	f.check.Write(signed)
	var sum [sha256.Size]byte
	if !hmac.Equal(f.check.Sum(sum[:0])[:frameMAC], mac) || number < f.next {
		return
	}
	f.quiet = 0
	if number > f.next { // it has overtaken another one, on the way to another connection
		f.keep(number, kind, payload)
		return
	}
	f.take(kind, payload)
	for f.next++; len(f.ahead) > 0; f.next++ {
		b, ok := f.ahead[f.next]
		if !ok {
			f.gap = 0
			break
		}
		delete(f.ahead, f.next)
		f.held -= len(b)
		f.take(stream.Kind(b[0]), b[1:])
	}
}

// keep stores a frame that came too early. Streams.mu is held.
func (f *flow) keep(number uint64, kind stream.Kind, payload []byte) {
	if len(f.ahead) == 0 {
		f.ahead, f.gap = map[uint64][]byte{}, 0
	}
	if len(f.ahead) >= maxAhead || f.held+len(payload) > stream.Window || f.ahead[number] != nil {
		return // the gap ends the stream
	}
	f.ahead[number] = append([]byte{byte(kind)}, payload...)
	f.held += 1 + len(payload)
}

// take hands a frame to the stream. Streams.mu is held; the stream answers nothing while it takes a frame, but when
// that is malformed.
func (f *flow) take(kind stream.Kind, payload []byte) {
	over := f.beside.Err() != nil
	if kind > stream.Alive || len(payload) > stream.MaxFrame {
		f.beside.Lost(&lattice.Error{Code: lattice.ErrInvalid, Op: "read a stream",
			Detail: fmt.Sprintf("frame of kind %d with %d bytes", kind, len(payload))})
	} else if err := f.beside.Take(kind, payload); err != nil {
		f.beside.Lost(err)
	}
	if !over && f.beside.Err() != nil {
		f.end()
	}
}

// end ends the call that is served.
func (f *flow) end() {
	if c := f.cancel.Load(); c != nil {
		(*c)()
	}
}

// tick looks at the ends, and at those that are left when a tick has gone by.
func (s *Streams) tick() {
	idle := s.look()
	s.mu.Lock()
	if s.ticking = len(s.flows) > 0; s.ticking {
		time.AfterFunc(streamTick, s.tick)
	}
	s.mu.Unlock()
	for _, f := range idle {
		if f.sending.TryLock() { // else a frame is being sent
			f.sending.Unlock()
			_ = f.beside.Alive(context.Background())
		}
	}
}

// look counts a tick: it gives up the ends whose other ends are gone, and returns those that must say that they are
// there.
func (s *Streams) look() (idle []*flow) {
	now := flowNow()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.flows {
		f.quiet++
		f.gap++
		var lost string
		switch {
		case f.quiet > silentTicks:
			lost = "the other end has fallen silent"
		case len(f.ahead) > 0 && f.gap > gapTicks:
			lost = "a piece was lost on the way"
		case now-f.said.Load() > int64(streamAlive):
			idle = append(idle, f)
		}
		if lost != "" && f.beside.Err() == nil {
			f.beside.Lost(&lattice.Error{Code: lattice.ErrUnavailable, Op: "stream", Detail: lost})
			f.end()
		}
	}
	return idle
}

// id makes the id of a call, with what its caller offers. One whose payload is in the store has no MAC, and no stream.
func (f *flight) id(chunked bool) string {
	id := newID()
	s := f.call.Stream
	if s == nil || chunked || f.client.cfg.Streams == nil || f.dispatch.to == nil ||
		!f.dispatch.to.takes(f.client.cfg.Directory.now()) {
		return id
	}
	if s.HasBody() {
		return id + bodyMark
	}
	return id + takesMark
}

// attach makes the stream of the attempt, where its id says that it has one, and returns what begins it when the call
// was sent.
func (f *flight) attach(ctx context.Context) (sent func(until func(time.Time))) {
	f.flow = nil
	c := f.client
	if f.call.Stream == nil || !f.dispatch.sealed || !strings.HasSuffix(f.inv.ID, takesMark) &&
		!strings.HasSuffix(f.inv.ID, bodyMark) {
		return nil
	}
	flow, err := c.cfg.Streams.add(stream.Calling, f.inv, f.dispatch.to.subject, c.present)
	if err != nil { // it gets a plain answer; a body breaks, since nobody hears of it
		return nil
	}
	f.flow = flow
	timeout := time.Until(f.deadline)
	if flow.body {
		f.deadline = time.Now().Add(time.Hour)
	}
	return func(until func(time.Time)) {
		flow.out = f.call.Stream.Start(ctx, flow.beside, func() { until(time.Now().Add(timeout)) })
	}
}

// present is the connection that is used now.
func (c *Client) present() *nats.Conn {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.session.nc
}

// attended ends the stream of an attempt: the answer is taken when it is one.
func (f *flight) attended(ctx context.Context, resp *wire.Response, err error) (flowing bool, failed error) {
	flow := f.flow
	f.flow = nil
	defer flow.drop()
	if flowing = err == nil && resp.Stream; flowing {
		stop := context.AfterFunc(ctx, func() {
			flow.beside.Break(&lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "take an answer"})
		})
		defer stop()
		failed = f.call.Stream.Accept(ctx, resp.Msg, flow.beside)
	} else if err != nil && !f.dispatch.unbegun {
		flow.beside.Break(&lattice.Error{Code: lattice.CodeOf(err), Op: "call", Detail: "its caller has left"})
	}
	if broken := flow.out.Wait(); broken != nil {
		failed = broken
	}
	return flowing, failed
}

// expect makes the serving end of the stream that a caller offers, before its frames come; nil when it offers none.
func (s *Server) expect(inv *wire.Invocation, msg *nats.Msg) *flow {
	if s.cfg.Streams == nil || !signing.IsMAC(inv.EncodedClaims) || msg.Reply == "" ||
		!strings.HasSuffix(inv.ID, takesMark) && !strings.HasSuffix(inv.ID, bodyMark) || len(inv.ID) > 255 {
		return nil
	}
	to, err := s.callerSubject(inv)
	if err != nil {
		return nil
	}
	f, err := s.cfg.Streams.add(stream.Serving, inv, to, func() *nats.Conn { return s.session.Load().nc })
	if err != nil {
		return nil
	}
	return f
}

// callerSubject is where the one who made a call is reached by itself.
func (s *Server) callerSubject(inv *wire.Invocation) (string, error) {
	if err := inv.HostID.Check(); err != nil {
		return "", err
	}
	if inv.Origin.IsActor() {
		return subject.Host(s.cfg.Lattice, inv.HostID), nil
	}
	id, link := inv.Origin.Provider(), inv.Origin.LinkName.OrDefault()
	if err := errors.Join(id.Check(), link.Check()); err != nil {
		return "", err
	}
	return subject.ProviderAt(s.cfg.Lattice, id, link, inv.HostID), nil
}

// offer lets a call that was verified have the stream that its caller offers.
func (s *Server) offer(ctx *invocation.Context, f *flow, msg *nats.Msg, inv *wire.Invocation) {
	if f == nil {
		return
	}
	if f.body { // the time of its caller begins when that has been read; the caller says when it is over
		ctx.Endless()
	}
	cancel := func() { ctx.Cancel(context.Canceled) }
	f.cancel.Store(&cancel)
	if f.beside.Err() != nil { // meanwhile
		ctx.Cancel(context.Canceled)
	}
	id := inv.ID
	ctx.Offer = stream.NewOffer(f.beside, f.body, func(head []byte) error {
		ctx.Endless()
		resp := &wire.Response{InvocationID: id, Msg: head, ContentLength: uint64(len(head)), Stream: true}
		return s.session.Load().nc.PublishMsg(&nats.Msg{Subject: msg.Reply, Data: resp.Encode()})
	}, nil)
}
