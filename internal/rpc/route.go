package rpc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Path is how a call went, for metrics.
type Path struct {
	Direct bool // to a host by itself, else by the queue group
	MAC    bool // with a MAC, else signed
	Again  bool // it was turned away elsewhere before, or found no server
}

// Labels are the values of the labels route, auth and again.
func (p Path) Labels() []string {
	l := []string{"queue", "signature", strconv.FormatBool(p.Again)}
	if p.Direct {
		l[0] = "direct"
	}
	if p.MAC {
		l[1] = "mac"
	}
	return l
}

// route is where a call goes next.
type route struct {
	served  *served        // nil: no weft host is known to serve the target
	to      *candidate     // nil: the queue group
	sealed  bool           // with a MAC
	signed  bool           // not with a MAC, since that was refused
	again   bool           // it has been elsewhere
	undated bool           // it was taken for late although its caller waits: it does not say when it is sent
	unbegun bool           // the last attempt did nothing for the call
	who     lattice.HostID // the weft host that answered by the queue group
}

// route decides where a call goes first.
func (c *Client) route(to wire.Entity) route {
	d := c.cfg.Directory
	if d == nil {
		return route{}
	}
	s := d.find(to)
	if s == nil {
		return route{}
	}
	return route{served: s, to: d.choose(s)}
}

// bare reports whether the message needs no headers: a host that reads all from the invocation gets it by itself.
func (r *route) bare() bool {
	return r.to != nil && r.to.host && r.to.peer.beat.Load().timeout
}

// stamp is when the message is sent, which is now; zero where that must not be said.
func (r *route) stamp() wire.Stamp {
	if r.undated || r.bare() && !r.to.peer.beat.Load().sent {
		return wire.Stamp{}
	}
	return clock.Now()
}

// subject is where the message goes.
func (r *route) subject(l lattice.Name, e wire.Entity) (string, error) {
	if r.to != nil { // an entity that a host serves has a valid name
		return r.to.subject, nil
	}
	if e.IsActor() {
		return subject.Actor(l, e.Actor()), e.Actor().Check()
	}
	id, link := e.Provider(), e.LinkName.OrDefault()
	return subject.Provider(l, id, link), cmp.Or(id.Check(), link.Check())
}

// seal returns the MAC for a call, or "" when it must be signed.
func (c *Client) seal(r *route, inv *wire.Invocation, origin, to string) string {
	r.sealed = false
	if r.to == nil || r.signed || c.cfg.Agreement == nil {
		return ""
	}
	p := r.to.peer
	if time.Duration(p.signed.Load()) > c.cfg.Directory.now() {
		return ""
	}
	token, err := c.cfg.Agreement.Seal(p.beat.Load().issuer, signing.Sealed{ID: inv.ID, HostID: inv.HostID, Receiver: p.host,
		OriginURL: origin, TargetURL: to, Operation: inv.Operation, Msg: inv.Msg}, time.Now())
	if err != nil {
		c.distrust(p, err)
		return ""
	}
	r.sealed = true
	return token
}

// distrust signs the calls to a host for a while, and says so once. A signature is no weaker.
func (c *Client) distrust(p *peer, err error) {
	p.signed.Store(int64(c.cfg.Directory.now() + distrust))
	p.warned.Do(func() {
		c.cfg.Logger.Warn("a host takes no MACs of this node; calls to it are signed, which costs more", lattice.LogHost, p.host, lattice.LogErr, err)
	})
}

// attempt sends a call once, and reports whether it is to be sent again, elsewhere or otherwise.
func (c *Client) attempt(ctx context.Context, w *way, inv *wire.Invocation, msg *nats.Msg, r *route, call *Call, deadline time.Time,
	use func(context.Context, []byte, *object) error) (again bool, err error) {
	if c.cfg.Sent != nil {
		c.cfg.Sent(Path{Direct: r.to != nil, MAC: r.sealed, Again: r.again})
	}
	r.unbegun = false
	var start time.Duration
	if r.to != nil {
		start = c.cfg.Directory.now()
		r.to.flight.Add(1)
	}
	resp, err := c.finish(ctx, w, inv, msg, r, deadline)
	if r.to != nil {
		r.to.flight.Add(-1)
	}
	if r.unbegun && !r.undated && lattice.CodeOf(err) == lattice.ErrTimeout { // taken for late, but we are still here
		r.undated, again = true, true
	} else if r.to != nil {
		again = c.judge(r, start, err)
	} else if r.unbegun && !r.again { // the queue group chose; choose otherwise
		again = r.served != nil && c.elsewhere(r) || nobody(err)
		r.again = true
	}
	if err == nil && resp.ContentLength > uint64(len(resp.Msg)) {
		err = takeLarge(ctx, w, inv.ID, resp, deadline, use)
	} else if err == nil {
		err = use(ctx, resp.Msg, nil)
	}
	// its body has been read, or it is too late
	if again && (call.Body != nil || ctx.Err() != nil || !time.Now().Before(deadline)) {
		again = false
	}
	return again, err
}

// takeLarge hands an answer that is in the store to use.
func takeLarge(ctx context.Context, w *way, id string, resp *wire.Response, deadline time.Time, use func(context.Context, []byte, *object) error) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	large, err := w.chunks.take(ctx, responseName(id), resp.ContentLength)
	if err != nil {
		return err
	}
	return use(ctx, nil, large)
}

// judge notes how a host did, and reports whether the call is to be sent again, for which it changes the route.
func (c *Client) judge(r *route, start time.Duration, err error) (again bool) {
	d := c.cfg.Directory
	now := d.now()
	code := lattice.CodeOf(err)
	switch {
	case !r.unbegun:
		if code != lattice.ErrCanceled {
			r.to.took(now-start, now)
		}
		return false
	case code.Refusal(): // by a host whose keys or clock differ
		if r.sealed {
			c.distrust(r.to.peer, err)
			r.signed = true
		}
		return r.sealed
	case code == lattice.ErrNoResponders:
		r.to.absent(now)
	default:
		r.to.turnedAway(now)
	}
	return !r.again && c.elsewhere(r)
}

// elsewhere changes the route to another one, once: another host, else, when this one was found absent, the queue
// group.
func (c *Client) elsewhere(r *route) bool {
	d := c.cfg.Directory
	now := d.now()
	from, not := r.to, r.to
	if from == nil {
		all := *r.served.hosts.Load()
		if i := slices.IndexFunc(all, func(c *candidate) bool { return c.peer.host == r.who }); i >= 0 {
			not = all[i]
		}
	}
	r.again = true
	r.to = d.pick(r.served, not, now)
	switch {
	case r.to != nil:
		return true
	case from == nil:
		return false // the queue group has said so already
	}
	// With no other host, the group is the same one again, unless others than the directory knows serve the target.
	return !from.up(now) || len(*r.served.hosts.Load()) > 1
}

// noteWho learns from an answer that came by the queue group whether it was weft's.
func (d *Directory) noteWho(r *route, h nats.Header) {
	if r.served == nil || r.to != nil {
		return
	}
	if v := h[headerHost]; len(v) > 0 {
		r.who = lattice.HostID(v[0])
	} else {
		r.served.foreign.Store(int64(d.now() + foreignStays))
	}
}

// pauses come before a call that found no responder is made again. A provider that was killed is back in a tenth of a
// second, and an actor that is moved sooner, so that callers need not notice.
var pauses = []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond}

// Persist makes a call. While ctx lasts it makes the call again, after a pause, when no server was there to begin it.
func Persist(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		result, err := call()
		if attempt == len(pauses) || !nobody(err) {
			return result, err
		}
		select {
		case <-time.After(pauses[attempt]):
		case <-ctx.Done():
			return result, err
		}
	}
}

// nobody reports whether this very call found nobody, rather than one that the target made. The NATS server says so,
// too, where it chose a subscription of the queue group that leaves at this moment. It does not look for another one
// that has come before that.
func nobody(err error) bool {
	var e *lattice.Error
	return errors.As(err, &e) && e.Code == lattice.ErrNoResponders && !e.Remote
}
