package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
)

// HostReload is what a host said to a reload.
type HostReload struct {
	HostRef
	control.Reloaded
}

// Reload makes a host, or all when query is empty, read keys and credentials again, one host after another: a provider
// that is started anew for that is away on one host at a time. Errors of hosts are joined.
func (l *Lattice) Reload(ctx context.Context, query string) ([]HostReload, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	v, err := l.View(ctx)
	if err == nil {
		err = v.NeedHosts()
	}
	if err != nil {
		return nil, err
	}
	hosts := v.Hosts
	if query != "" {
		h, err := v.Host(query)
		if err != nil {
			return nil, err
		}
		hosts = []control.HostInventory{h}
	}
	list := []HostReload{}
	var errs []error
	for _, h := range hosts {
		ref := HostRef{h.HostID, v.HostName(h.HostID)}
		l.step("reloading", ref.Name)
		r, err := l.ctl.ReloadHost(ctx, h.HostID)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ref.Name, err))
			continue
		}
		list = append(list, HostReload{ref, r})
	}
	return list, errors.Join(errs...)
}

// RingFile is where a machine keeps the cluster key that is rotated.
type RingFile interface {
	Load() (signing.Ring, error)
	Save(signing.Ring) error
}

// Rotation says how RotateCluster works.
type Rotation struct {
	File  RingFile
	Next  signing.KeyPair // the zero value makes a new key
	Hosts int             // at least so many hosts must be there at each step; 0: any number
}

// Rotated is the outcome.
type Rotated struct {
	Before lattice.ClusterID `json:"before"`
	Now    lattice.ClusterID `json:"public"`
	Hosts  []string          `json:"hosts"` // names of those that confirmed
}

// rotatePause is between two looks at hosts that are not as far yet.
const rotatePause = time.Second

// RotateCluster brings the lattice from one cluster key to another without a call refused: all hosts trust the new key,
// then all sign with it, then the old one is dropped. Where that stands is kept in the file alone, so that it goes on
// after an error where it was. It goes to the next step only when every host that answers has confirmed; on machines
// with key files of their own the same command has to run, with the same new key.
func (l *Lattice) RotateCluster(ctx context.Context, r Rotation) (Rotated, error) {
	var done Rotated
	ring, err := r.File.Load()
	if err != nil {
		return done, err
	}
	if len(ring.Issuers()) == 1 && !r.Next.IsZero() && r.Next.Public() == ring.Signer().Public() {
		return done, &lattice.Error{Code: lattice.ErrConflict, Op: "rotate the cluster key to",
			Entity: r.Next.Public(), Detail: "it is in use already; nothing is left to do here"}
	}
	if ring, err = r.begin(ring); err != nil {
		return done, err
	}
	for {
		var next lattice.ClusterID
		var text, missing string
		var met func(control.Reloaded) bool
		var after signing.Ring
		switch {
		case len(ring.Keys) > 1: // 1: the old one signs
			next = ring.Keys[1].ClusterID()
			done.Before, done.Now = ring.Signer().ClusterID(), next
			text, missing = "every host trusts "+string(next),
				"do not trust the new key yet. Take it there and run the same command: "+
					"weft key show cluster --next --seed > new.nk, and there: weft key rotate cluster --new new.nk"
			met = func(h control.Reloaded) bool { return slices.Contains(h.ClusterIssuers, next) }
			after = signing.Ring{Keys: ring.Keys[1:], Trusted: append([]lattice.ClusterID{done.Before},
				ring.Trusted...)}
		case len(ring.Trusted) > 0: // 2: the new one signs
			next = ring.Signer().ClusterID()
			done.Before, done.Now = ring.Trusted[0], next
			text, missing = "every host signs with "+string(next),
				"do not sign with the new key yet; run the same command there"
			met = func(h control.Reloaded) bool { return h.Issuer == next }
			after = signing.RingOf(ring.Signer())
		default: // 3: the old one is forgotten
			text, missing = "no host trusts "+string(done.Before), "still trust the old key; run the same command there"
			met = func(h control.Reloaded) bool { return !slices.Contains(h.ClusterIssuers, done.Before) }
		}
		if done.Hosts, err = l.confirmed(ctx, met, missing, r.Hosts); err != nil {
			return done, err
		}
		l.step(text, "")
		if len(after.Keys) == 0 {
			return done, nil
		}
		if err := r.File.Save(after); err != nil {
			return done, err
		}
		ring = after
	}
}

// begin puts the new key beside the old one, unless that has happened before.
func (r Rotation) begin(ring signing.Ring) (signing.Ring, error) {
	have := ring.Issuers()
	switch {
	case len(have) > 1 && !r.Next.IsZero() && !slices.Contains(have, r.Next.ClusterID()):
		return ring, &lattice.Error{Code: lattice.ErrConflict, Op: "rotate the cluster key to", Entity: r.Next.Public(),
			Detail: "a rotation to another key has begun; finish it first: weft key rotate cluster"}
	case len(have) > 1:
		return ring, nil
	}
	next := r.Next
	if next.IsZero() {
		var err error
		if next, err = signing.New(signing.KindCluster); err != nil {
			return ring, err
		}
	}
	if next.Kind() != signing.KindCluster {
		return ring, &lattice.Error{Code: lattice.ErrInvalid, Op: "rotate the cluster key to", Entity: next.Public(),
			Detail: "it is no cluster key"}
	}
	ring = signing.Ring{Keys: []signing.KeyPair{ring.Signer(), next}}
	return ring, r.File.Save(ring)
}

// confirmed reloads all hosts, again and again, until each meets a condition.
func (l *Lattice) confirmed(ctx context.Context, met func(control.Reloaded) bool, missing string, least int) ([]string,
	error) {
	for {
		names, wanting, err := l.reloadAll(ctx, met)
		if err == nil && len(wanting) == 0 && len(names) >= max(least, 1) {
			return names, nil
		}
		select {
		case <-time.After(rotatePause):
			continue
		case <-ctx.Done():
		}
		switch {
		case len(wanting) > 0:
			err = fmt.Errorf("%s %s", strings.Join(wanting, ", "), missing)
		case err == nil:
			err = fmt.Errorf("%d hosts answer, want %d", len(names), max(least, 1))
		}
		return names, &lattice.Error{Code: lattice.ErrTimeout, Op: "rotate the cluster key",
			Detail: "it goes on where it is when you run it again", Err: err}
	}
}

// reloadAll reloads every host that answers, and returns the names of all, and which of them want something.
func (l *Lattice) reloadAll(ctx context.Context, met func(control.Reloaded) bool) (names, wanting []string, err error) {
	hosts, err := l.ctl.PingHosts(ctx)
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(hosts, func(a, b control.Host) int { return cmp.Compare(a.FriendlyName, b.FriendlyName) })
	for _, h := range hosts {
		name := cmp.Or(h.FriendlyName, string(h.ID))
		names = append(names, name)
		r, err := l.ctl.ReloadHost(ctx, h.ID)
		if lattice.CodeOf(err) == lattice.ErrNotFound { // not weft's: what it says of itself must do
			r, err = control.Reloaded{Issuer: h.Issuer, ClusterIssuers: h.ClusterIssuers}, nil
		}
		switch {
		case err != nil:
			wanting = append(wanting, name+" ("+err.Error()+")")
		case !met(r):
			wanting = append(wanting, name)
		}
	}
	return names, wanting, nil
}
