package rpc

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

const (
	missedBeats  = 3                // after so many a host counts as gone
	forgetAfter  = time.Minute      // without a beat a host's set is forgotten
	askTimeout   = 2 * time.Second  // for a host to say what it serves
	askWorkers   = 4                // questions at the same time
	askBacklog   = 256              // questions waiting; others come with the next beat
	probeCalls   = 16               // at most one of so many calls goes by the queue group,
	probePause   = time.Second      // and one in this time, to learn who else serves
	foreignStays = 30 * time.Second // after an answer by other software, calls go by the queue group for so long
)

// Directory knows which weft hosts serve what, and how busy and how quick they are, from their beats and from the calls
// made. It sleeps until the first call asks it, and costs a call the same however large the lattice is: two hosts are
// drawn and compared. It is safe for concurrent use.
type Directory struct {
	nc      *nats.Conn
	lattice lattice.Name
	log     *slog.Logger
	now     func() time.Duration // since some moment, monotonic
	moment  func() wire.Stamp    // by the machine's clock

	wake    sync.Once
	awake   atomic.Bool
	listen  func(wire.Beat) // nil: only the directory uses them
	ctx     context.Context
	end     context.CancelFunc
	asking  chan lattice.HostID // hosts to ask what they serve
	offsets offsets             // how their machines' clocks stand
	wg      sync.WaitGroup

	mu      sync.RWMutex
	sub     *nats.Subscription       // guarded by mu
	closed  bool                     // guarded by mu
	peers   map[lattice.HostID]*peer // by host; guarded by mu
	targets map[target]*served       // guarded by mu
	swept   time.Duration            // when peers were last looked through; guarded by mu
}

// target names who is called.
type target struct {
	key  string
	link lattice.LinkName
}

func targetOf(e wire.Entity) target { return target{e.PublicKey, e.LinkName} }

// served is who serves a target.
type served struct {
	hosts   atomic.Pointer[[]*candidate] // never changed in place
	calls   atomic.Uint32                // since the last one by the queue group
	probed  atomic.Int64                 // when that was
	foreign atomic.Int64                 // until when the queue group shares with software that is not weft
}

// NewDirectory returns a directory of a lattice. It hears of the hosts over nc, which it does not own.
func NewDirectory(nc *nats.Conn, l lattice.Name, log *slog.Logger) *Directory {
	begin := time.Now()
	d := newDirectory(func() time.Duration { return time.Since(begin) }, log)
	d.nc, d.lattice = nc, l
	return d
}

// newDirectory makes one without a connection, whose time tests set.
func newDirectory(now func() time.Duration, log *slog.Logger) *Directory {
	d := &Directory{now: now, moment: clock.Now, log: log, asking: make(chan lattice.HostID, askBacklog),
		peers: map[lattice.HostID]*peer{}, targets: map[target]*served{}}
	d.ctx, d.end = context.WithCancel(context.Background())
	return d
}

// Listen calls heard for each beat from now on, one at a time, until Close; heard must be quick. The directory sleeps
// on. It is for one listener, before the directory is used.
func (d *Directory) Listen(heard func(wire.Beat)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listen = heard
	return d.subscribe()
}

// Wake makes the directory learn which hosts serve what from now on, rather than from the first call on.
func (d *Directory) Wake() { d.wake.Do(d.begin) }

// subscribe begins to hear beats. mu is held.
func (d *Directory) subscribe() (err error) {
	if d.sub == nil && !d.closed {
		d.sub, err = d.nc.Subscribe(subject.BeatAll(d.lattice), d.receive)
	}
	return err
}

// receive takes a beat, on the goroutine of the subscription: with a thousand hosts a thousand come each second, so it
// only notes. Beats that a stream replays are old, and are not heard. Where there is no room for a question, the next
// beat asks again.
func (d *Directory) receive(m *nats.Msg) {
	beat, err := wire.DecodeBeat(m.Data)
	if err != nil || natsconn.FromStream(m) {
		return
	}
	if d.listen != nil {
		d.listen(beat)
	}
	if beat.Sent != nil {
		d.offsets.hear(*beat.Sent, d.moment())
	}
	if d.awake.Load() && d.heard(beat) {
		select {
		case d.asking <- beat.HostID:
		default:
			d.asked(beat.HostID)
		}
	}
}

// begin starts the goroutines that ask hosts what they serve. Close waits for them.
func (d *Directory) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	if err := d.subscribe(); err != nil {
		d.log.Warn("beats of hosts are not heard; all calls go by the queue groups", lattice.LogErr, err)
		return
	}
	d.awake.Store(true)
	for range askWorkers {
		d.wg.Go(func() {
			for {
				select {
				case <-d.ctx.Done():
					return
				case host := <-d.asking:
					d.ask(host)
				}
			}
		})
	}
}

// Close ends the directory. Calls go by the queue groups from then on.
func (d *Directory) Close() {
	d.mu.Lock()
	d.closed = true
	sub := d.sub
	clear(d.targets)
	d.mu.Unlock()
	d.end()
	if sub != nil {
		_ = sub.Unsubscribe()
	}
	d.wg.Wait()
}

// heard takes a beat and reports whether the host must be asked what it serves.
func (d *Directory) heard(b wire.Beat) (ask bool) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	// There is no timer: hosts that are gone are looked for when others are heard.
	if now-d.swept > forgetAfter/2 {
		d.swept = now
		for id, p := range d.peers {
			if now-time.Duration(p.seen.Load()) > forgetAfter {
				d.assign(p, nil)
				delete(d.peers, id)
			}
		}
	}
	p := d.peers[b.HostID]
	if b.Direct == nil {
		if p != nil { // it is another version now
			d.assign(p, nil)
			delete(d.peers, b.HostID)
		}
		return false
	}
	if p == nil {
		p = &peer{host: b.HostID}
		d.peers[b.HostID] = p
	}
	p.hear(b, now)
	if p.revision == b.Direct.Served || p.asked || d.closed {
		return false
	}
	p.asked = true
	return true
}

// asked ends a question to a host.
func (d *Directory) asked(host lattice.HostID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.peers[host]; p != nil {
		p.asked = false
	}
}

// ask learns what a host serves. Beats carry only a revision of it, so that they stay tiny; the list is asked for when
// the revision is another one.
func (d *Directory) ask(host lattice.HostID) {
	defer d.asked(host)
	ctx, cancel := context.WithTimeout(d.ctx, askTimeout)
	defer cancel()
	reply, err := AskServed(ctx, d.nc, subject.Host(d.lattice, host))
	if err != nil {
		return // its next beat asks again
	}
	revision, entities, err := wire.DecodeServed(reply)
	if err != nil {
		d.log.Warn("a host does not say what it serves", lattice.LogHost, host, lattice.LogErr, err)
		return
	}
	d.learn(host, revision, entities, wire.ServedStreams(reply))
}

// learn takes over what a host serves.
func (d *Directory) learn(host lattice.HostID, revision uint64, entities []wire.Entity, streams map[wire.Entity]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.peers[host]; p != nil && !d.closed {
		p.revision = revision
		d.assign(p, entities)
		for _, e := range entities {
			p.serves[targetOf(e)].streams.Store(streams[e])
		}
	}
}

// assign makes a host one of those that serve exactly the given entities. Only lists that change are made again. mu is
// held.
func (d *Directory) assign(p *peer, entities []wire.Entity) {
	next := make(map[target]*candidate, len(entities))
	for _, e := range entities {
		t := targetOf(e)
		c := p.serves[t]
		if c == nil {
			c = &candidate{peer: p, subject: d.address(p.host, e), host: e.IsActor()}
			d.change(t, func(all []*candidate) []*candidate { return append(all, c) })
		}
		next[t] = c
	}
	for t, c := range p.serves {
		if next[t] == nil {
			d.change(t, func(all []*candidate) []*candidate {
				return slices.DeleteFunc(all, func(x *candidate) bool { return x == c })
			})
		}
	}
	p.serves = next
}

// change replaces the list of the hosts that serve a target. mu is held.
func (d *Directory) change(t target, edit func([]*candidate) []*candidate) {
	s := d.targets[t]
	if s == nil {
		s = &served{}
		s.hosts.Store(&[]*candidate{})
		d.targets[t] = s
	}
	all := edit(slices.Clone(*s.hosts.Load()))
	s.hosts.Store(&all)
	if len(all) == 0 {
		delete(d.targets, t)
	}
}

// address is the subject for an entity at a host.
func (d *Directory) address(host lattice.HostID, e wire.Entity) string {
	if strings.HasPrefix(e.PublicKey, "V") {
		return subject.ProviderAt(d.lattice, e.Provider(), e.LinkName, host)
	}
	return subject.Host(d.lattice, host)
}

// find says who serves a target; nil when no weft host is known to.
func (d *Directory) find(e wire.Entity) *served {
	d.Wake()
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.targets[targetOf(e)]
}

// Streams reports whether a weft host is known to be up that serves a target which takes streams.
func (d *Directory) Streams(e wire.Entity) bool {
	s := d.find(e)
	return s != nil && d.streaming(s) != nil
}

// streaming is a candidate that takes streams; nil: there is none.
func (d *Directory) streaming(s *served) *candidate {
	now, all := d.now(), *s.hosts.Load()
	if len(all) == 0 {
		return nil
	}
	from := rand.IntN(len(all))
	var best *candidate
	for i := range min(len(all), drawn) {
		c := all[(from+i)%len(all)]
		if c.takes(now) && (best == nil || c.cost(now) < best.cost(now)) {
			best = c
		}
	}
	return best
}

// Others reports whether a weft host other than one is known to be up and to serve a target, and can be reached. A
// provider asks it before it takes a call elsewhere that its own host could serve.
func (d *Directory) Others(e wire.Entity, host lattice.HostID) bool {
	s := d.find(e)
	if s == nil || d.nc != nil && !d.nc.IsConnected() {
		return false
	}
	now := d.now()
	return slices.ContainsFunc(*s.hosts.Load(), func(c *candidate) bool { return c.peer.host != host && c.up(now) })
}

// Doubt makes a host count as gone until its next beat: the caller knows of a failure that the beats do not show yet.
func (d *Directory) Doubt(host lattice.HostID) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if p := d.peers[host]; p != nil {
		p.doubted.Store(true)
	}
}

// choose draws two of the hosts that serve a target, and returns the one that is likely to answer sooner. It is nil
// where the queue group is to decide: while no host is known to be up, while other software serves the target, too, and
// when it is time to see whether it does.
func (d *Directory) choose(s *served) *candidate {
	now := d.now()
	if time.Duration(s.foreign.Load()) > now && !s.hung(now) {
		return nil
	}
	if n := s.calls.Add(1); n >= probeCalls {
		if last := s.probed.Load(); now-time.Duration(last) >= probePause && s.probed.CompareAndSwap(last, int64(now)) {
			s.calls.Store(0)
			if !s.hung(now) {
				return nil
			}
		}
	}
	return d.pick(s, nil, now)
}

// lookedAt bounds how many hosts are looked at for one that hangs.
const lookedAt = 64

// hung reports whether a host that serves the target has fallen silent lately. It may still be in the queue group, for
// NATS takes minutes to notice a host that hangs. Calls that it gets from there are lost. So callers choose other hosts
// meanwhile that are known to live.
func (s *served) hung(now time.Duration) bool {
	all := *s.hosts.Load()
	for _, c := range all[:min(len(all), lookedAt)] {
		if !c.peer.alive(now) {
			return true
		}
	}
	return false
}

// drawn bounds how many hosts are looked at for one call.
const drawn = 8

// pick draws two hosts other than one, and returns the one with the smaller cost.
func (d *Directory) pick(s *served, not *candidate, now time.Duration) *candidate {
	all := *s.hosts.Load()
	n := len(all)
	if n == 0 {
		return nil
	}
	// Hosts that are not up are passed over, up to some: from a random place on, with a random step that reaches all of
	// few.
	at, step := rand.IntN(n), 1
	if n > drawn {
		step = 1 + rand.IntN(n-1)
	}
	var up [drawn]*candidate
	k := 0
	for range min(n, drawn) {
		if c := all[at]; c != not && c.up(now) && !slices.Contains(up[:k], c) {
			up[k] = c
			if k++; k == 2 && n > drawn { // of many, the first two do
				break
			}
		}
		at = (at + step) % n
	}
	switch k {
	case 0:
		return nil
	case 1:
		return up[0]
	}
	i := rand.IntN(k)
	j := (i + 1 + rand.IntN(k-1)) % k
	if up[j].cost(now) < up[i].cost(now) {
		return up[j]
	}
	return up[i]
}
