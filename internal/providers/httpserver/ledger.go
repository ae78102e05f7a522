package httpserver

import (
	"net/netip"
	"sync"
)

// ledger notes how much each client holds of something of which a listener has a limited amount. One client holds at
// most its share. When all of it is taken, the client that holds most gives something up for a client that holds less.
// It is safe for concurrent use.
type ledger struct {
	limit int64 // in all
	share int64 // of one client, which may always hold one thing, however large

	mu      sync.Mutex
	used    int64                    // guarded by mu
	holders map[netip.Addr]*holdings // by client; guarded by mu
}

// holdings are what one client holds. They are guarded by the ledger's mutex.
type holdings struct {
	used  int64
	holds map[*hold]struct{}
}

// hold is something that is held for a client. release must follow.
type hold struct {
	ledger *ledger
	client netip.Addr // the zero Addr for a client that no share binds, and that need not give up anything
	amount int64
	busy   func() bool // given up only when nothing else is; nil: never busy
	drop   func()      // ends what is held. It runs at most once, never after release, and must not wait.

	mu   sync.Mutex
	over bool // guarded by mu
}

// newLedger makes a ledger for so much, of which one client may hold so many percent.
func newLedger(limit int64, percent int) *ledger {
	return &ledger{limit: limit, share: max(1, limit*int64(percent)/100), holders: map[netip.Addr]*holdings{}}
}

// refusal says why something cannot be held.
type refusal int

const (
	granted refusal = iota
	overShare
	overLimit
)

// take enters h, whose client, amount, busy and drop are set.
func (l *ledger) take(h *hold) refusal {
	h.ledger = l
	l.mu.Lock()
	mine := l.holders[h.client]
	if h.client.IsValid() && mine != nil && mine.used+h.amount > l.share {
		l.mu.Unlock()
		return overShare
	}
	var victims []*hold
	for l.used > 0 && l.used+h.amount > l.limit {
		v := l.largest(h)
		if v == nil {
			break
		}
		l.remove(v)
		victims = append(victims, v)
	}
	ok := l.used == 0 || l.used+h.amount <= l.limit
	if ok {
		mine = l.holders[h.client]
		if mine == nil {
			mine = &holdings{holds: map[*hold]struct{}{}}
			l.holders[h.client] = mine
		}
		mine.used += h.amount
		mine.holds[h] = struct{}{}
		l.used += h.amount
	}
	l.mu.Unlock()
	for _, v := range victims {
		v.end(true)
	}
	if !ok {
		return overLimit
	}
	return granted
}

// largest finds what is to be given up for h: something of the client that holds most, if that is more than h's client
// would hold; nil when there is nothing. mu is held.
func (l *ledger) largest(h *hold) *hold {
	most := h.amount
	if mine := l.holders[h.client]; mine != nil {
		most += mine.used
	}
	var from *holdings
	for client, s := range l.holders {
		if client.IsValid() && s.used > most {
			from, most = s, s.used
		}
	}
	if from == nil {
		return nil
	}
	var found *hold
	for found = range from.holds {
		if found.busy == nil || !found.busy() {
			break
		}
	}
	return found
}

// remove strikes h out, unless that has been done. mu is held.
func (l *ledger) remove(h *hold) {
	s := l.holders[h.client]
	if s == nil {
		return
	}
	if _, ok := s.holds[h]; !ok {
		return
	}
	delete(s.holds, h)
	if s.used, l.used = s.used-h.amount, l.used-h.amount; len(s.holds) == 0 {
		delete(l.holders, h.client)
	}
}

// grow adds to what h holds, if that is possible without another client's giving up something.
func (l *ledger) grow(h *hold, amount int64) refusal {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.holders[h.client]
	if s == nil {
		return overLimit
	}
	if _, ok := s.holds[h]; !ok { // given up
		return overLimit
	}
	switch {
	case h.client.IsValid() && len(s.holds) > 1 && s.used+amount > l.share:
		return overShare
	case l.used > h.amount && l.used+amount > l.limit:
		return overLimit
	}
	h.amount += amount
	s.used, l.used = s.used+amount, l.used+amount
	return granted
}

// release gives h back. It may be called again, and for a nil hold.
func (h *hold) release() {
	if h == nil {
		return
	}
	h.ledger.mu.Lock()
	h.ledger.remove(h)
	h.ledger.mu.Unlock()
	h.end(false)
}

// end runs drop if it is wanted and h is not over.
func (h *hold) end(drop bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over && drop {
		h.drop()
	}
	h.over = true
}
