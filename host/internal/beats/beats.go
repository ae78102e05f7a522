// Package beats sends a host's two signs of life. The first is a tiny beat each second, by which others detect
// failures. The second is the heartbeat with the whole inventory, which the dialect's observers fold.
package beats

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/internal/announce"
	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// changeDelay is how long a change of the inventory waits for others before a heartbeat tells of it.
const changeDelay = 250 * time.Millisecond

// Config is what Beats need. All fields but OldForm are necessary.
type Config struct {
	Self      *identity.Self
	Conn      *nats.Conn
	Beat      time.Duration // between beats
	Heartbeat time.Duration // between heartbeats
	OldForm   bool          // heartbeats in the form of hosts before 0.82
	Direct    func() *wire.Direct
	Inventory func() control.HostInventory
	Publish   func(events ...event.Data)
}

// Beats sends the signs of life from Start until Stop. It is safe for concurrent use.
type Beats struct {
	cfg    Config
	sent   atomic.Uint64
	change chan struct{} // of the inventory, since the last heartbeat
	done   chan struct{}
	loops  sync.WaitGroup
}

// New makes Beats that send nothing by themselves before they are started.
func New(cfg Config) *Beats {
	return &Beats{cfg: cfg, change: make(chan struct{}, 1), done: make(chan struct{})}
}

// Start begins to send. A change of the inventory sends a heartbeat at once.
func (b *Beats) Start(context.Context) error {
	b.loops.Go(func() {
		b.Beat()
		b.every(b.cfg.Beat, b.Beat)
	})
	b.loops.Go(func() { b.every(b.cfg.Heartbeat, b.heartbeat) })
	b.loops.Go(b.tellChanges)
	return nil
}

// Stop ends what Start began.
func (b *Beats) Stop(context.Context) error {
	close(b.done)
	b.loops.Wait()
	return nil
}

// Changed lets a beat tell soon that something happened, and a heartbeat if the inventory is another one. It never
// blocks.
func (b *Beats) Changed() {
	select {
	case b.change <- struct{}{}:
	default:
	}
}

func (b *Beats) tellChanges() {
	told := foldable(b.cfg.Inventory())
	for {
		select {
		case <-b.done:
			return
		case <-b.change:
		}
		select { // many changes at once are one heartbeat
		case <-b.done:
			return
		case <-time.After(changeDelay):
		}
		b.Beat()
		if now := foldable(b.cfg.Inventory()); now != told {
			told = now
			b.heartbeat()
		}
	}
}

// every calls work after each period, until Stop.
func (b *Beats) every(period time.Duration, work func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-t.C:
			work()
		}
	}
}

// Beat sends one beat, out of turn too.
func (b *Beats) Beat() {
	if !b.cfg.Conn.IsConnected() { // what is buffered would be no sign of life when it comes
		return
	}
	n := b.cfg.Self
	beat := wire.Beat{HostID: n.ID, Sequence: b.sent.Add(1), UptimeMS: uint64(n.Uptime().Milliseconds()),
		Draining: n.Draining(), EndsInMS: n.EndsInMS(), Direct: b.cfg.Direct()}
	if now := clock.Now(); !now.IsZero() {
		beat.Sent = &now
	}
	_ = b.cfg.Conn.Publish(subject.Beat(n.Lattice, n.ID), beat.Encode()) // the next one comes soon
}

func (b *Beats) heartbeat() {
	inv := b.cfg.Inventory()
	if b.cfg.OldForm {
		b.cfg.Publish(announce.Counts(inv))
		return
	}
	b.cfg.Publish(event.HostHeartbeat{HostInventory: inv})
}

// foldable is the part of an inventory that observers of the dialect fold, as text to compare. Only a change of it is
// worth a heartbeat out of turn. wadm answers each heartbeat with the commands that it still wants. So a heartbeat
// after a command that failed, or after each restart of a provider, would keep both of them going in a circle.
func foldable(inv control.HostInventory) string {
	inv.UptimeHuman, inv.UptimeSeconds = "", 0
	for i := range inv.Actors {
		a := &inv.Actors[i]
		a.Error, a.State = "", ""
		for j := range a.Instances {
			a.Instances[j].Running = 0
		}
	}
	for i := range inv.Providers {
		p := &inv.Providers[i]
		p.Error, p.State, p.Restarts, p.PID = "", "", 0, 0
	}
	b, err := json.Marshal(inv)
	if err != nil { // never: it is made of text and numbers
		return err.Error()
	}
	return string(b)
}
