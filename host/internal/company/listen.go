package company

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// Config is what a Company needs. All fields are necessary.
type Config struct {
	Lattice lattice.Name
	Self    lattice.HostID
	Beat    time.Duration // period of this host's own beats
	Grace   time.Duration // after the connection was lost, others may be silent for so long: theirs may still be away

	Conn    *nats.Conn                  // over which the others are heard
	Beats   func(func(wire.Beat)) error // hears the beats of all hosts
	Own     func(wire.Beat)             // takes beats that name this host
	Away    func() bool                 // reports that no other host can be reached
	Domain  func() *string              // of the JetStream that keeps the lattice's state here; nil: not known
	Made    func() *time.Time           // when the bucket of that state was made; nil: not known
	Issuers func() []lattice.ClusterID  // the cluster keys that are trusted here
	Publish func(events ...event.Data)  // tells the lattice
	Logger  *slog.Logger
}

// Company hears the other hosts of a lattice, and tells of those that are lost. Make it with New, then Start it once.
// It is safe for concurrent use.
type Company struct {
	cfg   Config
	known *circle
	begun time.Time
	subs  []*nats.Subscription
	back  chan nats.Status
	done  chan struct{}
	looks sync.WaitGroup
}

// New makes a Company that knows no other host.
func New(cfg Config) *Company {
	return &Company{cfg: cfg, known: newCircle(cfg.Self, cfg.Beat, cfg.Grace), done: make(chan struct{})}
}

// Start begins to hear the other hosts. Stop it also when it fails.
func (c *Company) Start(context.Context) error {
	c.begun = time.Now()
	for _, s := range subject.HostEvents(c.cfg.Lattice) {
		sub, err := c.cfg.Conn.Subscribe(s, c.hear)
		if err != nil {
			return &lattice.Error{Code: lattice.ErrUnavailable, Op: "subscribe to", Entity: s, Err: err}
		}
		c.subs = append(c.subs, sub)
	}
	if err := c.cfg.Beats(func(b wire.Beat) {
		if b.HostID == c.cfg.Self {
			c.cfg.Own(b)
		}
		c.known.heard(b, time.Since(c.begun), time.Now())
	}); err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "hear the beats of hosts", Err: err}
	}
	c.back = c.cfg.Conn.StatusChanged(nats.CONNECTED)
	c.looks.Go(c.look)
	return nil
}

// look looks for hosts that are lost or found, once a beat, until Stop.
func (c *Company) look() {
	look := time.NewTicker(c.cfg.Beat)
	defer look.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-c.back:
			c.known.away(time.Since(c.begun))
		case <-look.C:
			c.tell(c.known.look(time.Since(c.begun)))
		}
	}
}

// Stop ends what Start began.
func (c *Company) Stop(context.Context) error {
	close(c.done)
	c.looks.Wait()
	if c.back != nil {
		c.cfg.Conn.RemoveStatusListener(c.back)
	}
	var errs []error
	for _, sub := range c.subs {
		errs = append(errs, sub.Unsubscribe())
	}
	return errors.Join(errs...)
}

// hear takes what other hosts say of themselves and of each other.
func (c *Company) hear(m *nats.Msg) {
	if natsconn.FromStream(m) {
		return
	}
	e, err := event.DecodeEvent(m.Data)
	if err != nil || e.HostID() == "" || e.HostID() == c.cfg.Self {
		return
	}
	data, err := e.Decode()
	if err != nil {
		return
	}
	switch d := data.(type) {
	case event.HostHeartbeat:
		if d.HostID == e.HostID() {
			c.known.runs(d.HostInventory)
			c.compare(d.HostInventory)
			c.trust(d.HostInventory)
		}
	case event.HostStopped:
		c.known.stopped(e.HostID())
	case event.HostLost:
		c.known.told(d.LostHost)
	}
}

// compare looks where another host keeps the lattice's state, and warns once for each host that does so elsewhere: both
// then work, each with links and claims of its own. Two JetStreams differ by their domains or, where they have none, by
// when the lattice's bucket was made. That counts when two heartbeats say so: a bucket that is made anew is news to
// one host before it is to another.
func (c *Company) compare(inv control.HostInventory) {
	own, its := c.cfg.Domain(), inv.JSDomain
	ownMade, itsMade := c.cfg.Made(), inv.StateMade
	domains := own != nil && its != nil && *own != *its
	buckets := c.known.twice(inv.HostID, ownMade != nil && itsMade != nil && !ownMade.Equal(*itsMade))
	if !c.known.shows(inv.HostID, apart, domains || buckets) {
		return
	}
	if !domains {
		c.cfg.Logger.Warn("another host keeps the lattice's state in another JetStream: neither sees the links and "+
			"claims of the other; give each NATS server's JetStream a domain, "+
			"and start both hosts with the same --js-domain",
			"other", lattice.Printable(inv.FriendlyName), "id", inv.HostID, "its_state_made", *itsMade,
			"own_state_made", *ownMade)
		return
	}
	c.cfg.Logger.Warn("another host keeps the lattice's state in another JetStream domain: neither sees the links and "+
		"claims of the other; start both with the same --js-domain", "other", lattice.Printable(inv.FriendlyName),
		"id", inv.HostID, "its_domain", lattice.Printable(*its), "own_domain", *own)
}

// trust warns once for each host that signs with a cluster key that is not trusted here: each then refuses the calls of
// the other, though commands see both. A rotation of the key raises no warning: all hosts trust the new key before any
// of them signs with it.
func (c *Company) trust(inv control.HostInventory) {
	own := c.cfg.Issuers()
	if !c.known.shows(inv.HostID, foreign, inv.Issuer != "" && !slices.Contains(own, inv.Issuer)) {
		return
	}
	c.cfg.Logger.Warn("another host signs with a cluster key that is not trusted here, so its calls are refused; all "+
		"hosts of a lattice need the same key: start the host that has the wrong one again with --join TOKEN or "+
		"--cluster-seed-file FILE", "other", lattice.Printable(inv.FriendlyName), "id", inv.HostID, "its_key",
		lattice.Printable(string(inv.Issuer)), "trusted", own)
}

// tell logs and publishes what has come to light.
func (c *Company) tell(n news) {
	for _, l := range n.lost {
		c.cfg.Logger.Warn("host is lost: its beats have ended, and it has not said that it ends", "lost",
			l.FriendlyName,
			"id", l.HostID, "heard", l.LastHeard, "actors", len(l.Actors), "providers", len(l.Providers))
	}
	for _, l := range n.tell {
		c.cfg.Publish(event.HostLost{LostHost: l})
	}
	for _, f := range n.found {
		c.cfg.Logger.Info("host that was lost is back", "found", f.host.FriendlyName, "id", f.host.HostID)
		if f.tell {
			c.cfg.Publish(event.HostFound{HostID: f.host.HostID, FriendlyName: f.host.FriendlyName,
				Labels: f.host.Labels})
		}
	}
}

// Missed are the lost hosts, the one that was heard last first.
func (c *Company) Missed() []control.LostHost { return c.known.missed() }

// Alone reports whether no other host has given a sign of life lately, or none can be reached. Calls that find no free
// instance here then need not look elsewhere.
func (c *Company) Alone() bool {
	return c.cfg.Away() || time.Now().Unix()-c.known.any.Load() > max(3, int64(3*c.cfg.Beat/time.Second))
}
