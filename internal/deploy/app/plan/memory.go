package plan

import (
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
)

// Memory is what a planner knows beside what can be seen: the commands under way, and the tries that failed. It is for
// one goroutine at a time. The zero value is an empty one.
type Memory struct {
	under  map[place]sent
	failed map[place]failure
}

// place is a thing on a host, or a link.
type place struct {
	host lattice.HostID
	of   Object
	link LinkKey
}

// sent is a command whose effect is not seen yet.
type sent struct {
	command Command
	done    time.Time // when it was carried out; zero: not yet
}

// failure is what did not work.
type failure struct {
	of     string // the version that failed
	times  int
	before time.Time // not to be tried again before
	err    string
}

// next is one more failure of the same version, or the first one of another.
func (f failure) next(version, err string, now time.Time) failure {
	if f.of != version {
		f = failure{of: version}
	}
	f.times++
	f.err = err
	f.before = now.Add(backoff.Policy{First: FirstTry, Max: MaxBackOff}.Pause(f.times - 1))
	return f
}

// Begin notes that a command is being carried out. Until End, nothing else is planned for its thing on its host.
func (m *Memory) Begin(c Command) {
	if m.under == nil {
		m.under = map[place]sent{}
	}
	m.under[c.place()] = sent{command: c}
}

// End notes what became of a command that was begun: err "" is success, which will be seen in what hosts tell.
func (m *Memory) End(c Command, err string, now time.Time) {
	at := c.place()
	if _, ok := m.under[at]; !ok {
		return // its host was lost meanwhile
	}
	delete(m.under, at)
	if err == "" {
		m.under[at] = sent{c, now}
		delete(m.failed, place{link: at.link})
		return
	}
	if m.failed == nil {
		m.failed = map[place]failure{}
	}
	m.failed[at] = m.failed[at].next(c.version(), err, now)
}

// place is where a command works.
func (c Command) place() place {
	if c.Do == PutLink || c.Do == DelLink {
		return place{link: KeyOf(c.Link)}
	}
	return place{host: c.Host, of: c.Object}
}

// see drops a command whose effect is there, or should have been by now.
func (m *Memory) see(at place, there bool, now time.Time) {
	if s := m.under[at]; !s.done.IsZero() && (there || now.Sub(s.done) >= Settle) {
		delete(m.under, at)
	}
}

// observe notes that a thing has failed by itself.
func (m *Memory) observe(p *Present, now time.Time) {
	if p.State != Failed {
		return
	}
	at := place{host: p.Host, of: p.Object}
	if _, ok := m.under[at]; ok || m.failed[at].of == p.version() && now.Before(m.failed[at].before.Add(Settle)) {
		return
	}
	if m.failed == nil {
		m.failed = map[place]failure{}
	}
	m.failed[at] = m.failed[at].next(p.version(), p.Error, now)
}
