package host

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// startBeats sends the two signs of life: a tiny beat each second, by which failures are detected, and the heartbeat
// with the whole inventory, which the dialect's observers fold. A change of the inventory sends the latter at once.
func (h *Host) startBeats(opened func(func(context.Context) error)) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		h.beat()
		every(done, h.cfg.Beat, func(uint64) { h.beat() })
	})
	wg.Go(func() { every(done, h.cfg.Heartbeat, func(uint64) { h.heartbeat() }) })
	wg.Go(func() {
		told := foldable(h.inventory())
		for {
			select {
			case <-done:
				return
			case <-h.change:
			}
			select { // many changes at once are one heartbeat
			case <-done:
				return
			case <-time.After(changeDelay):
			}
			h.beat()
			if now := foldable(h.inventory()); now != told {
				told = now
				h.heartbeat()
			}
		}
	})
	opened(func(context.Context) error {
		close(done)
		wg.Wait()
		return nil
	})
}

// beat sends one beat.
func (h *Host) beat() {
	// it has not started; what is buffered would be no sign of life when it comes
	if h.agreement == nil || !h.ctl.IsConnected() {
		return
	}
	beat := wire.Beat{HostID: string(h.node.ID), Sequence: h.beats.Add(1), UptimeMS: uint64(time.Since(h.node.Started).Milliseconds()), Draining: h.node.Draining(), EndsInMS: h.node.EndsInMS(), Direct: h.direct()}
	if now := clock.Now(); !now.IsZero() {
		beat.Sent = &now
	}
	_ = h.ctl.Publish(subject.Beat(h.cfg.Lattice, h.node.ID), beat.Encode()) // the next one comes soon
}

// changeDelay is how long a change of the inventory waits for others before a heartbeat tells of it.
const changeDelay = 250 * time.Millisecond

// changed lets a beat tell soon that something happened, and a heartbeat if the inventory is another one. It never
// blocks.
func (h *Host) changed() {
	select {
	case h.change <- struct{}{}:
	default:
	}
}

// every calls work after each period, until done is closed.
func every(done <-chan struct{}, period time.Duration, work func(n uint64)) {
	t := time.NewTicker(period)
	defer t.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-done:
			return
		case <-t.C:
			work(n)
		}
	}
}

func (h *Host) heartbeat() {
	inv := h.inventory()
	if h.cfg.OldHeartbeat {
		h.publish(event.CountsOf(inv))
		return
	}
	h.publish(event.HostHeartbeat{HostInventory: inv})
}

// foldable is the part of an inventory that observers of the dialect fold, as text to compare. Only a change of it is
// worth a heartbeat out of turn: wadm answers each heartbeat with the commands that it still wants, so a heartbeat
// after a command that failed, or after each restart of a provider, keeps both of them going in a circle.
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

// inventory is all that runs here, in a stable order.
func (h *Host) inventory() control.HostInventory {
	up := time.Since(h.node.Started)
	inv := control.HostInventory{HostID: h.node.ID, Issuer: h.keys.Load().Cluster.Public(), FriendlyName: h.node.Name, Labels: h.node.Labels(),
		Version: Version, UptimeHuman: humanDuration(up), UptimeSeconds: uint64(up.Seconds()), CarriesNATS: h.cfg.CarriesNATS}
	if h.node.Draining() {
		inv.State = control.StateDraining
	}
	for _, a := range h.allActors() {
		if d, ok := a.describe(); ok {
			inv.Actors = append(inv.Actors, d)
		}
	}
	for _, p := range h.allProviders() {
		inv.Providers = append(inv.Providers, p.describe())
	}
	slices.SortFunc(inv.Actors, func(a, b control.Actor) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.Providers, func(a, b control.Provider) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.LinkName, b.LinkName))
	})
	return inv
}

func (h *Host) allActors() []*actor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]*actor, 0, len(h.actors))
	for _, a := range h.actors {
		out = append(out, a)
	}
	return out
}

func (h *Host) provider(k providerKey) *provider {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.providers[k]
}

// providerRuns reports whether a reference runs here under a link name.
func (h *Host) providerRuns(ref string, link lattice.LinkName) bool {
	for _, p := range h.allProviders() {
		if p.link == link && (p.ref == ref || p.builtin && strings.TrimPrefix(p.ref, "builtin://") == strings.TrimPrefix(ref, "builtin://")) {
			return true
		}
	}
	return false
}

func (h *Host) runsUnderOtherLink(id lattice.ProviderID) bool {
	for _, p := range h.allProviders() {
		if p.id == id {
			return true
		}
	}
	return false
}
