package rpc

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/dated"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// A call must not begin when its caller has given up: it would be carried out though the caller was told that it
// failed. It may wait in a NATS server that hangs, a buffer, or a socket of a process that was stopped. Its age is
// known from when it was sent, by the clock of the caller's machine. Between machines the beats show how the clocks
// stand. By the two clocks, the soonest of the last beats came so much later than it was sent. What comes later than
// that has waited. So an age is never overestimated, unless a machine itself was suspended. A caller that is still
// there then hears that its call was taken for late. It sends the call once more without saying when.
//
// Three things are not known: how long callers of other software wait, unless they say so; the clock of a machine whose
// beats were never heard; and how long a call waited while all beats of its machine waited for longer than
// offsetWindow, too.

// offsetWindow is for how long a beat shows how a clock stands, at least; at most twice that.
const offsetWindow = 5 * time.Second

// maxClocks bounds the clocks that are told apart.
const maxClocks = 4096

// offsets says how old messages of other machines are. The zero value knows no machine. It is safe for concurrent use.
type offsets struct {
	mu     sync.Mutex
	clocks map[uint32]*offsetOf // guarded by mu
}

// offsetOf is how a clock stands: how much later than sent, in microseconds, the soonest message came.
type offsetOf struct {
	least, before int64         // of this window and the last one
	since, heard  time.Duration // when this window began, and the last message came, by clock.Now
	had           bool          // before counts
}

func micros(s wire.Stamp) time.Duration { return time.Duration(s.Micros) * time.Microsecond }

// hear takes a moment at which a message was sent that comes now.
func (o *offsets) hear(sent, now wire.Stamp) {
	if sent.IsZero() || now.IsZero() || sent.Clock == now.Clock {
		return
	}
	d, at := int64(now.Micros-sent.Micros), micros(now)
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.clocks[sent.Clock]
	switch {
	case c == nil:
		if len(o.clocks) >= maxClocks && !o.prune(at) {
			return
		}
		if o.clocks == nil {
			o.clocks = map[uint32]*offsetOf{}
		}
		o.clocks[sent.Clock] = &offsetOf{least: d, since: at, heard: at}
		return
	case at-c.since >= offsetWindow:
		c.before, c.had, c.least, c.since = c.least, at-c.since < 2*offsetWindow, d, at
	default:
		c.least = min(c.least, d)
	}
	c.heard = at
}

// prune forgets the clocks that have fallen silent, and reports whether there were any. mu is held.
func (o *offsets) prune(at time.Duration) bool {
	n := len(o.clocks)
	for id, c := range o.clocks {
		if at-c.heard > forgetAfter {
			delete(o.clocks, id)
		}
	}
	return len(o.clocks) < n
}

// age is for how long a message has waited that comes now; false when that is not known.
func (o *offsets) age(sent, now wire.Stamp) (time.Duration, bool) {
	d := int64(now.Micros - sent.Micros)
	if sent.IsZero() || now.IsZero() {
		return 0, false
	}
	if sent.Clock != now.Clock {
		o.mu.Lock()
		c := o.clocks[sent.Clock]
		if c == nil || micros(now)-c.heard > forgetAfter {
			o.mu.Unlock()
			return 0, false
		}
		least := c.least
		if c.had {
			least = min(least, c.before)
		}
		o.mu.Unlock()
		d -= least
	}
	return time.Duration(max(0, d)) * time.Microsecond, true
}

// age is for how long a message has waited that was sent at a moment of some machine's clock and comes now; false when
// that is not known.
func (d *Directory) age(sent wire.Stamp) (time.Duration, bool) {
	if d == nil || sent.IsZero() {
		return 0, false
	}
	now := d.moment()
	if sent.Clock != now.Clock {
		d.Wake()
	}
	return d.offsets.age(sent, now)
}

// sentAt is when a call was sent, if that is said. There is no invocation when it could not be decoded.
func sentAt(inv *wire.Invocation, h nats.Header) wire.Stamp {
	if inv != nil && !inv.Sent.IsZero() {
		return inv.Sent
	}
	v := h[dated.HeaderSent]
	if len(v) == 0 {
		return wire.Stamp{}
	}
	id, us, _ := strings.Cut(v[0], " ")
	n, err1 := strconv.ParseUint(id, 36, 32)
	m, err2 := strconv.ParseUint(us, 10, 64)
	if err1 != nil || err2 != nil {
		return wire.Stamp{}
	}
	return wire.Stamp{Clock: uint32(n), Micros: m}
}

// left is how long the caller still waits, if it says how long it does; late when it has given up.
func (s *Server) left(inv *wire.Invocation, h nats.Header) (left time.Duration, told bool, late error) {
	left, told = remaining(inv, h)
	if !told {
		return 0, false, nil
	}
	if age, ok := s.cfg.Directory.age(sentAt(inv, h)); ok {
		if age >= left {
			return 0, true, tooLate(age, left)
		}
		left -= age
	}
	return left, true, nil
}

// Late is the error of a message, dated by dated.Mark, whose sender does not wait for the answer any more;
// lattice.ErrTimeout. It is nil where that is not known, as when the clock of the sender's machine is not known.
func (d *Directory) Late(h nats.Header) error {
	left, told := remaining(nil, h)
	if !told {
		return nil
	}
	if age, ok := d.age(sentAt(nil, h)); ok && age >= left {
		return tooLate(age, left)
	}
	return nil
}

// tooLate is the error of a call that is not begun since its caller has given up.
func tooLate(age, timeout time.Duration) error {
	return &lattice.Error{Code: lattice.ErrTimeout, Op: "begin a call", Detail: fmt.Sprintf(
		"it came %s after it was sent, and its caller waits for %s; it is not begun", age.Round(time.Millisecond),
		timeout)}
}
