package rpc

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// replies takes the answers to the requests of one connection: one subscription for all of them, and one timer. Each
// waits in a place, whose subject is used for one call after another, so that the NATS server finds its way from its
// cache. A place whose answer did not come in time gets another subject, so that a late answer finds no subscriber. It
// is safe for concurrent use.
type replies struct {
	nc *nats.Conn

	mu     sync.Mutex
	sub    *nats.Subscription // nil until the first request; guarded by mu
	prefix string             // of the subjects; guarded by mu
	all    []*place           // by index; guarded by mu
	idle   []*place           // guarded by mu
	timer  *time.Timer        // guarded by mu
	armed  bool               // the timer; guarded by mu
	at     time.Time          // when it fires; guarded by mu
	ended  bool               // the connection is closed; guarded by mu
}

// place is where one answer is waited for.
type place struct {
	index    int
	token    string // the last part of the subject
	subject  string
	answered chan reply // with room for one

	waiting  bool      // guarded by replies.mu
	deadline time.Time // guarded by replies.mu
}

// reply is an answer, or the reason why it did not come.
type reply struct {
	msg *nats.Msg
	err error
}

// request publishes a message and returns the answer. Errors: those of publishing; nats.ErrNoResponders; that of ctx
// when it ended; context.DeadlineExceeded when no answer came until the deadline; nats.ErrConnectionClosed when none
// can come any more.
//
// sent, which may be nil, is called when the message was published, with what moves the deadline.
func (r *replies) request(ctx context.Context, msg *nats.Msg, deadline time.Time,
	sent func(until func(time.Time))) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := r.expect(deadline)
	if err != nil {
		return nil, err
	}
	msg.Reply = w.subject
	if err := r.nc.PublishMsg(msg); err != nil {
		r.giveUp(w)
		return nil, err
	}
	if sent != nil {
		sent(func(t time.Time) { r.move(w, t) })
	}
	var got reply
	select {
	case got = <-w.answered:
	case <-ctx.Done():
		if r.giveUp(w) {
			return nil, ctx.Err()
		}
		got = <-w.answered // it came just now
	}
	if got.err != nil {
		return nil, got.err
	}
	r.mu.Lock()
	r.idle = append(r.idle, w)
	r.mu.Unlock()
	// The NATS server says so when no subscription takes the request.
	if len(got.msg.Data) == 0 && got.msg.Header.Get("Status") == "503" {
		return nil, nats.ErrNoResponders
	}
	return got.msg, nil
}

// expect makes room for an answer.
func (r *replies) expect(deadline time.Time) (*place, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sub == nil || r.ended {
		if err := r.subscribe(); err != nil {
			return nil, err
		}
	}
	var w *place
	if n := len(r.idle); n > 0 {
		w = r.idle[n-1]
		r.idle = r.idle[:n-1]
	} else {
		w = &place{index: len(r.all), answered: make(chan reply, 1)}
		r.all = append(r.all, w)
		r.name(w)
	}
	w.waiting, w.deadline = true, deadline
	if !r.armed || deadline.Before(r.at) {
		r.arm(deadline)
	}
	return w, nil
}

// move changes until when an answer is waited for.
func (r *replies) move(w *place, deadline time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[w.index] == w && w.waiting {
		w.deadline = deadline
		if !r.armed || deadline.Before(r.at) {
			r.arm(deadline)
		}
	}
}

// subscribe is for the first request. mu is held.
func (r *replies) subscribe() error {
	if r.ended {
		return nats.ErrConnectionClosed
	}
	prefix := r.nc.NewInbox() + "."
	sub, err := r.nc.Subscribe(prefix+"*", r.receive)
	if err != nil {
		return err
	}
	sub.SetClosedHandler(func(string) { r.end() })
	r.sub, r.prefix = sub, prefix
	return nil
}

// name gives a place a subject that no other client can guess: who may publish to inboxes could else answer in a
// server's place. The index in it finds the place without a map. mu is held.
func (r *replies) name(w *place) {
	w.token = strconv.Itoa(w.index) + "-" + strconv.FormatUint(rand.Uint64(), 36)
	w.subject = r.prefix + w.token
}

// receive hands an answer to the caller that waits for it.
func (r *replies) receive(m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	token := m.Subject[len(r.prefix):]
	digits := 0
	for digits < len(token) && token[digits] != '-' {
		digits++
	}
	index, err := strconv.Atoi(token[:digits])
	if err == nil && index >= 0 && index < len(r.all) && r.all[index].waiting && r.all[index].token == token {
		r.all[index].answer(reply{msg: m})
	}
}

// answer ends the wait. mu is held, and w waits.
func (w *place) answer(a reply) {
	w.waiting = false
	w.answered <- a
}

// giveUp ends a wait without an answer; false when there is one.
func (r *replies) giveUp(w *place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !w.waiting {
		return false
	}
	w.waiting = false
	r.retire(w)
	return true
}

// retire puts another place there, for an answer to the old one may still come. mu is held.
func (r *replies) retire(w *place) {
	fresh := &place{index: w.index, answered: make(chan reply, 1)}
	r.name(fresh)
	r.all[w.index] = fresh
	r.idle = append(r.idle, fresh)
}

// arm sets the timer. mu is held.
func (r *replies) arm(at time.Time) {
	r.armed, r.at = true, at
	left := time.Until(at)
	if r.timer == nil {
		r.timer = time.AfterFunc(left, r.expire)
		return
	}
	r.timer.Reset(left)
}

// expire ends the waits whose deadline has come. Most calls leave the timer alone, and it goes by those that are there
// when it fires.
func (r *replies) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed = false
	now := time.Now()
	var next time.Time
	for i := range r.all {
		w := r.all[i]
		switch {
		case !w.waiting:
		case !w.deadline.After(now):
			w.answer(reply{err: context.DeadlineExceeded})
			r.retire(w)
		case next.IsZero() || w.deadline.Before(next):
			next = w.deadline
		}
	}
	if !next.IsZero() {
		r.arm(next)
	}
}

// end ends all waits: the subscription is over.
func (r *replies) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, w := range r.all {
		if w.waiting {
			w.answer(reply{err: nats.ErrConnectionClosed})
		}
	}
	if r.timer != nil {
		r.timer.Stop()
	}
}

// close ends the subscription when no caller waits any more.
func (r *replies) close() {
	r.mu.Lock()
	sub := r.sub
	r.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe()
	}
}
