package rpc

import (
	"cmp"
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

// Attempt is how a message of a call was sent, for metrics.
type Attempt struct {
	Direct bool // to a host by itself, else by the queue group
	MAC    bool // with a MAC, else signed
	Again  bool // it was turned away elsewhere before, or found no server
}

// Labels are the values of the labels route, auth and again.
func (a Attempt) Labels() []string {
	l := []string{"queue", "signature", strconv.FormatBool(a.Again)}
	if a.Direct {
		l[0] = "direct"
	}
	if a.MAC {
		l[1] = "mac"
	}
	return l
}

// dispatch is where a call goes next, and what is known from its attempts so far.
type dispatch struct {
	served  *served        // nil: no weft host is known to serve the target
	to      *candidate     // nil: the queue group
	sealed  bool           // with a MAC
	signed  bool           // not with a MAC, since that was refused
	again   bool           // it has been elsewhere
	undated bool           // it was taken for late although its caller waits: it does not say when it is sent
	unbegun bool           // the last attempt did nothing for the call
	who     lattice.HostID // the weft host that answered by the queue group
}

// dispatch decides where a call goes first.
func (c *Client) dispatch(to wire.Entity) dispatch {
	d := c.cfg.Directory
	if d == nil {
		return dispatch{}
	}
	s := d.find(to)
	if s == nil {
		return dispatch{}
	}
	return dispatch{served: s, to: d.choose(s)}
}

// forStream decides where a call with a stream goes first: to a host that takes it, where there is one.
func (c *Client) forStream(d dispatch, body bool) (dispatch, error) {
	dir := c.cfg.Directory
	if d.served != nil && (d.to == nil || !d.to.takes(dir.now())) {
		if to := dir.streaming(d.served); to != nil {
			d.to = to
		}
	}
	if body && (d.to == nil || !d.to.takes(dir.now())) {
		return d, &lattice.Error{Code: lattice.ErrNoResponders, Op: "call",
			Detail: "no host that serves it takes the body as a stream"}
	}
	return d, nil
}

// bare reports whether the message needs no headers: a host that reads all from the invocation gets it by itself.
func (d *dispatch) bare() bool {
	return d.to != nil && d.to.host && d.to.peer.beat.Load().timeout
}

// stamp is when the message is sent, which is now; zero where that must not be said.
func (d *dispatch) stamp() wire.Stamp {
	if d.undated || d.bare() && !d.to.peer.beat.Load().sent {
		return wire.Stamp{}
	}
	return clock.Now()
}

// subject is where the message goes.
func (d *dispatch) subject(l lattice.Name, e wire.Entity) (string, error) {
	if d.to != nil { // an entity that a host serves has a valid name
		return d.to.subject, nil
	}
	if e.IsActor() {
		return subject.Actor(l, e.Actor()), e.Actor().Check()
	}
	id, link := e.Provider(), e.LinkName.OrDefault()
	return subject.Provider(l, id, link), cmp.Or(id.Check(), link.Check())
}

// seal returns the MAC for the call, or "" when it must be signed.
func (f *flight) seal(origin, to string) string {
	c, d, inv := f.client, &f.dispatch, f.inv
	d.sealed = false
	if d.to == nil || d.signed || c.cfg.Agreement == nil {
		return ""
	}
	p := d.to.peer
	// It refused a MAC lately: its keys are about to change, or its clock differs.
	if time.Duration(p.signed.Load()) > c.cfg.Directory.now() {
		return ""
	}
	token, err := c.cfg.Agreement.Seal(p.beat.Load().issuer, signing.Sealed{ID: inv.ID, HostID: inv.HostID,
		Receiver:  p.host,
		OriginURL: origin, TargetURL: to, Operation: inv.Operation, Msg: inv.Msg}, time.Now())
	if err != nil {
		c.distrust(p, err)
		return ""
	}
	d.sealed = true
	return token
}

// distrust signs the calls to a host for a while, and says so once. A signature is no weaker.
func (c *Client) distrust(p *peer, err error) {
	p.signed.Store(int64(c.cfg.Directory.now() + distrust))
	p.warned.Do(func() {
		c.cfg.Logger.Warn("a host takes no MACs of this node; calls to it are signed, which costs more",
			lattice.LogHost, p.host, lattice.LogErr, err)
	})
}

// judge notes how a host did with an attempt that began at start, and reports whether the call is to be sent again, for
// which it changes the dispatch.
func (f *flight) judge(start time.Duration, err error) (again bool) {
	c, d := f.client, &f.dispatch
	now := c.cfg.Directory.now()
	code := lattice.CodeOf(err)
	switch {
	case !d.unbegun:
		if code != lattice.ErrCanceled {
			d.to.took(now-start, now)
		}
		return false
	case code.Refusal(): // by a host whose keys or clock differ
		if d.sealed {
			c.distrust(d.to.peer, err)
			d.signed = true
		}
		return d.sealed
	case code == lattice.ErrNoResponders:
		d.to.absent(now)
	default:
		d.to.turnedAway(now)
	}
	return !d.again && d.elsewhere(c.cfg.Directory)
}

// elsewhere changes the dispatch to another one, once: another host, else, when this one was found absent, the queue
// group.
func (d *dispatch) elsewhere(dir *Directory) bool {
	now := dir.now()
	from, not := d.to, d.to
	if from == nil {
		all := *d.served.hosts.Load()
		if i := slices.IndexFunc(all, func(c *candidate) bool { return c.peer.host == d.who }); i >= 0 {
			not = all[i]
		}
	}
	d.again = true
	d.to = dir.pick(d.served, not, now)
	switch {
	case d.to != nil:
		return true
	case from == nil:
		return false // the queue group has said so already
	}
	// With no other host, the group is the same one again, unless others than the directory knows serve the target.
	return !from.up(now) || len(*d.served.hosts.Load()) > 1
}

// noteWho learns from an answer that came by the queue group whether it was weft's.
func (d *dispatch) noteWho(dir *Directory, h nats.Header) {
	if d.served == nil || d.to != nil {
		return
	}
	if v := h[wire.HeaderHost]; len(v) > 0 {
		d.who = lattice.HostID(v[0])
	} else {
		d.served.foreign.Store(int64(dir.now() + foreignStays))
	}
}
