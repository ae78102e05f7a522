package host

import (
	"context"
	"errors"
	"runtime/pprof"
	"slices"

	"github.com/weftlattice/weft/host/internal/apps"
	"github.com/weftlattice/weft/host/internal/sweep"
	"github.com/weftlattice/weft/lattice/subject"
)

// part is something that a host starts, and stops at its end. A part whose start fails is stopped, too. When ctx ends,
// stop cuts off what it waits for.
type part struct {
	name  string                          // label of its goroutines in profiles
	start func(ctx context.Context) error // nil: there is nothing to start
	stop  func(ctx context.Context) error // nil: there is nothing to stop
}

// work are the parts that make up the host, in the order in which they start: what is called before what calls, and the
// intake of commands late. They stop in the reverse order: no more commands come in first, then the actors drain, so
// that no accepted call is lost, then the providers end, and then the rest.
func (h *Host) work() []part {
	answers := apps.New(h.base.nats.ctl, h.cfg.Lattice, h.log)
	sweeper := sweep.New(h.base.nats.rpc, h.cfg.Lattice, h.log)
	returns := &returns{conn: h.base.nats.rpc, back: h.providers.Returned, settled: func(ctx context.Context) {
		h.providers.CheckSoon() // which may have missed something
		h.renewal.takeOver(ctx)
		h.domain.Learn(ctx) // it may be another server
		h.beats.Changed()
	}}
	serveDirect := func(context.Context) error {
		_, err := h.peer.Server.ServeDirect(subject.Host(h.cfg.Lattice, h.self.ID), h.set.Encode)
		return err
	}
	return []part{
		{"policy", h.policy.Start, h.policy.Stop},
		{"calls over NATS", h.startCalls, h.stopCalls},
		{"JetStream domain", h.domain.Start, nil},
		{"the other hosts", h.company.Start, h.company.Stop},
		{"the lattice's state", h.state.Start, h.state.Stop},
		{"farewell", nil, h.publisher.farewell},
		{"providers", h.providers.Start, h.providers.Stop},
		{"actors", nil, h.stopActors},
		{"tasks", nil, h.tasks.Close},
		{"monitor", h.monitor.Start, h.monitor.Stop},
		{"calls meant for this host", serveDirect, nil},
		{"commands", h.intake.Start, h.intake.Close},
		{"answers for an application manager", answers.Start, answers.Stop},
		{"greeting", h.publisher.greet, nil},
		{"beats", h.beats.Start, h.beats.Stop},
		{"sweeper of large payloads", sweeper.Start, sweeper.Stop},
		{"returns of NATS", returns.start, returns.stop},
	}
}

// running are the parts that have been started, in that order.
type running []part

// start starts parts one after another.
func (r *running) start(ctx context.Context, parts []part) error {
	for _, p := range parts {
		*r = append(*r, p)
		if p.start == nil {
			continue
		}
		var err error
		pprof.Do(ctx, pprof.Labels("part", p.name), func(ctx context.Context) { err = p.start(ctx) })
		if err != nil {
			return err
		}
	}
	return nil
}

// stop stops all parts in the reverse order and goes on past errors.
func (r running) stop(ctx context.Context) (err error) {
	for _, p := range slices.Backward(r) {
		if p.stop != nil {
			err = errors.Join(err, p.stop(ctx))
		}
	}
	return err
}
