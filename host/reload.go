package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
)

// Keys are the cluster keys of a host.
type Keys struct {
	Cluster signing.KeyPair     // signs invocations; always trusted
	Issuers []lattice.ClusterID // further "C" public keys that are trusted
}

// trusted are the public keys of all that calls may be signed with.
func (k Keys) trusted() []lattice.ClusterID {
	all := []lattice.ClusterID{k.Cluster.ClusterID()}
	for _, i := range k.Issuers {
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all
}

func (k Keys) validate() error {
	var errs []error
	if k.Cluster.IsZero() || k.Cluster.Kind() != signing.KindCluster {
		errs = append(errs, &lattice.Error{Code: lattice.ErrInvalid, Op: "host configuration", Entity: "Cluster",
			Detail: "want a cluster seed (SC...); make one with: weft key gen cluster"})
	}
	for _, i := range k.Issuers {
		errs = append(errs, signing.CheckPublic(i, signing.KindCluster))
	}
	return errors.Join(errs...)
}

// Reload reads cluster keys and NATS credentials again and takes over what has changed, without losing a call. The host
// trusts before it signs, its providers follow, and connections are made anew beside the old ones. Providers that
// cannot follow are started anew, one after another. It returns when all is done; on an error what could be taken over
// has been, and another Reload does the rest. It is safe for concurrent use; one runs at a time.
func (h *Host) Reload(ctx context.Context) (control.Reloaded, error) {
	select {
	case <-h.ready:
		return h.renewal.renew(ctx)
	default:
		return control.Reloaded{}, &lattice.Error{Code: lattice.ErrUnavailable, Op: "reload",
			Detail: "the host is starting"}
	}
}

// renewal takes over keys and credentials that have changed. It is safe for concurrent use.
type renewal struct {
	cfg    *Config
	keys   *atomic.Pointer[Keys] // in use
	nats   *connections
	access *providers.Access
	lock   *tasks.Lock // held during a reload, and while providers are told of what it changed
	print  string      // of the credentials for NATS in use; guarded by lock
	log    *slog.Logger

	tasks     *tasks.Queue // these are set before the first renewal
	peer      *peer.Peer
	policy    *permit.Policy
	providers *providers.Providers
}

// begin notes the credentials that the host starts with.
func (r *renewal) begin() (err error) {
	r.print, err = r.cfg.NATS.config().Fingerprint()
	return err
}

// renew is Host.Reload of a host that is ready.
func (r *renewal) renew(ctx context.Context) (control.Reloaded, error) {
	if r.lock.Acquire(ctx) != nil {
		return control.Reloaded{}, &lattice.Error{Code: lattice.ErrBusy, Op: "reload",
			Detail: "another reload is under way"}
	}
	defer r.lock.Release()
	var changed []string
	next, err := r.readKeys()
	if err != nil {
		return control.Reloaded{}, err
	}
	changed = append(changed, r.takeKeys(next)...)
	moved, err := r.reloadNATS(ctx)
	if moved {
		changed = append(changed, "NATS credentials")
	}
	err = errors.Join(err, r.providers.Renew(ctx, len(changed) > 0))
	// Until now what the providers had signed with the old keys was good, too.
	if setErr := r.peer.Verifier.Set(next.trusted()...); setErr != nil {
		err = errors.Join(err, setErr)
	}
	for _, c := range changed {
		r.log.Info("reloaded", "changed", c)
	}
	if err != nil {
		r.log.Warn("not everything could be reloaded", lattice.LogErr, err)
	}
	return control.Reloaded{Accepted: true, Issuer: next.Cluster.ClusterID(), ClusterIssuers: next.trusted(),
		Changed: changed}, err
}

// readKeys reads the keys anew from where the configuration says, without using them yet. Without a source they are
// those of now.
func (r *renewal) readKeys() (Keys, error) {
	if r.cfg.Keys == nil {
		return *r.keys.Load(), nil
	}
	k, err := r.cfg.Keys()
	if err == nil {
		err = k.validate()
	}
	if err != nil {
		return Keys{}, fmt.Errorf("read cluster keys: %w", err)
	}
	return k, nil
}

// takeKeys trusts new keys beside the old ones and then signs with the new one. It returns what has changed, in words.
func (r *renewal) takeKeys(next Keys) (changed []string) {
	now := *r.keys.Load()
	before, after := now.trusted(), next.trusted()
	_ = r.peer.Rekey(next.Cluster, append(before, after...)...) // they have been checked
	r.keys.Store(&next)
	for _, i := range after {
		if !slices.Contains(before, i) {
			changed = append(changed, "trusts cluster key "+string(i))
		}
	}
	if now.Cluster.Public() != next.Cluster.Public() {
		changed = append(changed, "signs with cluster key "+next.Cluster.Public())
	}
	for _, i := range before {
		if !slices.Contains(after, i) {
			changed = append(changed, "no longer trusts cluster key "+string(i))
		}
	}
	return changed
}

// reloadNATS makes the connections anew when the files with credentials have changed.
func (r *renewal) reloadNATS(ctx context.Context) (moved bool, err error) {
	if err := r.cfg.NATS.broken(); err != nil {
		return false, err
	}
	print, err := r.cfg.NATS.config().Fingerprint()
	if err != nil || print == r.print {
		return false, err
	}
	access, err := r.access.Read()
	if err != nil {
		return false, err
	}
	if err := r.peer.Reconnect(ctx, r.nats.config(natsRPC), false); err != nil {
		return false, fmt.Errorf("new NATS credentials: %w", err)
	}
	r.tasks.Run("new NATS credentials", r.reconnectControl)
	r.access.Take(access)
	r.print = print
	return true, nil
}

// answerFirst is how long the control connection stays after other credentials have been taken over.
const answerFirst = time.Second

// reconnectControl makes the control connection anew. A command to reload is answered over the one that it came by,
// which alone may do so, so that this waits for a moment.
func (r *renewal) reconnectControl(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(answerFirst):
	}
	again := func() error { return natsconn.Reconnect(ctx, r.nats.ctl) }
	var err error
	if r.policy.HasService() { // which is asked over it; calls in progress may be about to
		hold, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = r.peer.Server.Hold(hold, again)
	} else {
		err = again()
	}
	if err != nil && ctx.Err() == nil { // NATS has just accepted the credentials
		r.log.Warn("control connection is not back yet", lattice.LogErr, err)
	}
}

// takeOver renews when the host is back at NATS with other credentials than before: those that it issues to providers
// follow from them.
func (r *renewal) takeOver(ctx context.Context) {
	if !r.lock.TryAcquire() { // a reload is under way
		return
	}
	print, err := r.cfg.NATS.config().Fingerprint()
	changed := err == nil && print != r.print
	r.lock.Release()
	if changed {
		_, _ = r.renew(ctx) // its log tells how it went
	}
}
