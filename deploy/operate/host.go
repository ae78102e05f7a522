package operate

import (
	"context"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// StopHost ends a host: at once, or with drain after its work in flight. It waits until the host says that it has ended.
// A grace of 0 is the host's own.
func (l *Lattice) StopHost(ctx context.Context, query string, drain bool, grace time.Duration) (HostRef, error) {
	v, err := l.View(ctx)
	if err != nil {
		return HostRef{}, err
	}
	h, err := v.Host(query)
	if err != nil {
		return HostRef{}, err
	}
	ref := HostRef{h.HostID, v.HostName(h.HostID)}
	req := control.StopHostRequest{HostID: h.HostID, TimeoutMs: uint64(max(0, grace.Milliseconds()))}
	send, word := l.ctl.StopHost, "stopping"
	if drain {
		send, word = l.ctl.DrainHost, "draining"
	}
	l.step(word, ref.Name)
	err = l.run(ctx, []job{{host: h.HostID, name: ref.Name,
		send: func(ctx context.Context) error { return send(ctx, req) },
		settled: func(data event.Data) (bool, error) {
			_, stopped := data.(event.HostStopped)
			return stopped, nil
		}}})
	return ref, err
}

// LabelHost sets labels of a host and deletes others.
func (l *Lattice) LabelHost(ctx context.Context, query string, set map[string]string, del []string) (control.HostInventory, error) {
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
	for k, val := range set {
		if err := l.accepted(ctx, func(ctx context.Context) error { return l.ctl.PutLabel(ctx, h.HostID, k, val) }); err != nil {
			return h, err
		}
	}
	for _, k := range del {
		if _, ok := h.Labels[k]; !ok {
			return h, &lattice.Error{Code: lattice.ErrNotFound, Op: "delete label", Entity: lattice.Printable(k), Detail: "the host has no such label"}
		}
		if err := l.accepted(ctx, func(ctx context.Context) error { return l.ctl.DelLabel(ctx, h.HostID, k) }); err != nil {
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
