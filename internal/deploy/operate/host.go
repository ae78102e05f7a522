package operate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// StopHost ends a host after its work in flight, and waits until the host says that it has ended. A grace of 0 is the
// host's own. A host that carries the NATS server of others is stopped with force only: lattice.ErrConflict names them.
func (l *Lattice) StopHost(ctx context.Context, query string, grace time.Duration, force bool) (HostRef, error) {
	v, err := l.View(ctx)
	if err != nil {
		return HostRef{}, err
	}
	h, err := v.Host(query)
	if err != nil {
		return HostRef{}, err
	}
	ref := HostRef{h.HostID, v.HostName(h.HostID)}
	if h.CarriesNATS {
		if err := v.MayEnd(h.HostID); err != nil && !force {
			return ref, err
		}
		l.step("stopping the lattice's NATS server with it", ref.Name)
	}
	req := control.StopHostRequest{HostID: h.HostID, TimeoutMs: uint64(max(0, grace.Milliseconds()))}
	l.step("stopping", ref.Name)
	err = l.run(ctx, []job{{host: h.HostID, name: ref.Name,
		send: func(ctx context.Context) error { return l.ctl.StopHost(ctx, req) },
		settled: func(data event.Data) (bool, error) {
			_, stopped := data.(event.HostStopped)
			return stopped, nil
		}}})
	return ref, err
}

// MayEnd is an error, lattice.ErrConflict, when a host carries the NATS server of others, which it names.
func (v *View) MayEnd(id lattice.HostID) error {
	i := slices.IndexFunc(v.Hosts, func(h control.HostInventory) bool { return h.HostID == id })
	if i < 0 || !v.Hosts[i].CarriesNATS {
		return nil
	}
	others := v.others(id)
	if len(others) == 0 {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrConflict, Op: "stop host", Entity: v.HostName(id),
		Detail: fmt.Sprintf("it carries the lattice's NATS server, and %s would be cut off from each other until it "+
			"is back; stop those first, or give --force", strings.Join(others, ", "))}
}

// others names the hosts but one.
func (v *View) others(not lattice.HostID) []string {
	var names []string
	for _, h := range v.Hosts {
		if h.HostID != not {
			names = append(names, v.HostName(h.HostID))
		}
	}
	slices.Sort(names)
	return names
}

// DrainHost makes a host take no more work and end what runs on it, and waits until nothing does. The host stays,
// empty, until it is stopped.
func (l *Lattice) DrainHost(ctx context.Context, query string) (HostRef, error) {
	const pause = 100 * time.Millisecond
	ctx, cancel := bound(ctx)
	defer cancel()
	v, err := l.View(ctx)
	if err != nil {
		return HostRef{}, err
	}
	h, err := v.Host(query)
	if err != nil {
		return HostRef{}, err
	}
	ref := HostRef{h.HostID, v.HostName(h.HostID)}
	l.step("draining", ref.Name)
	begin := time.Now()
	err = l.accepted(ctx, func(ctx context.Context) error {
		return l.ctl.DrainHost(ctx, control.StopHostRequest{HostID: h.HostID})
	})
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for err == nil && !l.cfg.NoWait {
		now, problem := l.ctl.Inventory(ctx, h.HostID)
		switch {
		case lattice.CodeOf(problem) == lattice.ErrNoResponders: // gone altogether
			return ref, nil
		case problem != nil:
			return ref, unsettled(problem, time.Since(begin))
		case len(now.Actors)+len(now.Providers) == 0:
			return ref, nil
		}
		select {
		case <-ctx.Done():
			return ref, unsettled(ctx.Err(), time.Since(begin))
		case <-ticker.C:
		}
	}
	return ref, err
}

// LabelHost sets labels of a host and deletes others.
func (l *Lattice) LabelHost(ctx context.Context, query string, set map[string]string,
	del []string) (control.HostInventory, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	v, err := l.View(ctx)
	if err != nil {
		return control.HostInventory{}, err
	}
	h, err := v.Host(query)
	if err != nil {
		return h, err
	}
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if err := l.accepted(ctx, func(ctx context.Context) error {
			return l.ctl.PutLabel(ctx, h.HostID, k,
				set[k])
		}); err != nil {
			return h, err
		}
	}
	for _, k := range del {
		if _, ok := h.Labels[k]; !ok {
			return h, &lattice.Error{Code: lattice.ErrNotFound, Op: "delete label", Entity: lattice.Printable(k),
				Detail: "the host has no such label"}
		}
		if err := l.accepted(ctx, func(ctx context.Context) error {
			return l.ctl.DelLabel(ctx, h.HostID,
				k)
		}); err != nil {
			return h, err
		}
	}
	var after control.HostInventory
	err = l.accepted(ctx, func(ctx context.Context) (err error) {
		after, err = l.ctl.Inventory(ctx, h.HostID)
		return err
	})
	return after, err
}
