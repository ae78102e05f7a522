package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// tellTimeout is how long a provider may take to take over keys and credentials. It finishes calls that are under way
// on its old connection first.
const tellTimeout = 90 * time.Second

// Keys are the cluster keys of a host.
type Keys struct {
	Cluster signing.KeyPair // signs invocations; always trusted
	Issuers []string        // further "C" public keys that are trusted
}

// trusted are the public keys of all that calls may be signed with.
func (k Keys) trusted() []string {
	all := []string{k.Cluster.Public()}
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
	case h.reloading <- struct{}{}:
		defer func() { <-h.reloading }()
	case <-ctx.Done():
		return control.Reloaded{}, &lattice.Error{Code: lattice.ErrBusy, Op: "reload", Detail: "another reload is under way"}
	}
	select {
	case <-h.ready:
	default:
		return control.Reloaded{}, &lattice.Error{Code: lattice.ErrUnavailable, Op: "reload", Detail: "the host is starting"}
	}
	var changed []string
	next, err := h.readKeys()
	if err != nil {
		return control.Reloaded{}, err
	}
	changed = append(changed, h.takeKeys(next)...)
	moved, err := h.reloadNATS(ctx)
	if moved {
		changed = append(changed, "NATS credentials")
	}
	if len(changed) > 0 {
		h.generation.Add(1)
	}
	err = errors.Join(err, h.tellProviders(ctx))
	// Until now what the providers had signed with the old keys was good, too.
	if setErr := h.peer.Verifier.Set(next.trusted()...); setErr != nil {
		err = errors.Join(err, setErr)
	}
	for _, c := range changed {
		h.log.Info("reloaded", "changed", c)
	}
	if err != nil {
		h.log.Warn("not everything could be reloaded", lattice.LogErr, err)
	}
	return control.Reloaded{Accepted: true, Issuer: next.Cluster.Public(), ClusterIssuers: next.trusted(), Changed: changed}, err
}

func (h *Host) readKeys() (Keys, error) {
	if h.cfg.Keys == nil {
		return *h.keys.Load(), nil
	}
	k, err := h.cfg.Keys()
	if err == nil {
		err = k.validate()
	}
	if err != nil {
		return Keys{}, fmt.Errorf("read cluster keys: %w", err)
	}
	return k, nil
}

// takeKeys trusts new keys beside the old ones and then signs with the new one. It returns what has changed, in words.
func (h *Host) takeKeys(next Keys) (changed []string) {
	now := *h.keys.Load()
	before, after := now.trusted(), next.trusted()
	_ = h.peer.Rekey(next.Cluster, append(before, after...)...) // they have been checked
	h.keys.Store(&next)
	for _, i := range after {
		if !slices.Contains(before, i) {
			changed = append(changed, "trusts cluster key "+i)
		}
	}
	if now.Cluster.Public() != next.Cluster.Public() {
		changed = append(changed, "signs with cluster key "+next.Cluster.Public())
	}
	for _, i := range before {
		if !slices.Contains(after, i) {
			changed = append(changed, "no longer trusts cluster key "+i)
		}
	}
	return changed
}

// reloadNATS makes the connections anew when the files with credentials have changed.
func (h *Host) reloadNATS(ctx context.Context) (moved bool, err error) {
	if err := h.cfg.NATS.broken(); err != nil {
		return false, err
	}
	print, err := h.cfg.NATS.config().Fingerprint()
	if err != nil || print == h.natsPrint {
		return false, err
	}
	access, err := h.providerAccess()
	if err != nil {
		return false, err
	}
	if err := h.peer.Reconnect(ctx, h.natsConfig(natsRPC), false); err != nil {
		return false, fmt.Errorf("new NATS credentials: %w", err)
	}
	h.tasks.Run("new NATS credentials", h.reconnectControl)
	h.providerNATS.Store(&access)
	h.natsPrint = print
	return true, nil
}

// answerFirst is how long the control connection stays after other credentials have been taken over.
const answerFirst = time.Second

// reconnectControl makes the control connection anew. A command to reload is answered over the one that it came by, which
// alone may do so, so that this waits for a moment.
func (h *Host) reconnectControl(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(answerFirst):
	}
	again := func() error { return natsconn.Reconnect(ctx, h.ctl) }
	var err error
	if h.policy.HasService() { // which is asked over it; calls in progress may be about to
		hold, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		err = h.peer.Server.Hold(hold, again)
	} else {
		err = again()
	}
	if err != nil && ctx.Err() == nil { // NATS has just accepted the credentials
		h.log.Warn("control connection is not back yet", lattice.LogErr, err)
	}
}

// takeOver reloads when the host is back at NATS with other credentials than before: those that it issues to providers
// follow from them.
func (h *Host) takeOver(ctx context.Context) {
	select {
	case h.reloading <- struct{}{}:
	default: // a reload is under way
		return
	}
	print, err := h.cfg.NATS.config().Fingerprint()
	changed := err == nil && print != h.natsPrint
	<-h.reloading
	if changed {
		_, _ = h.Reload(ctx) // its log tells how it went
	}
}

// natsRPC is the purpose of the connection that carries calls.
const natsRPC = "rpc"

// natsConfig is how the host connects; purpose tells its connections apart.
func (h *Host) natsConfig(purpose string) natsconn.Config {
	cfg := h.cfg.NATS.config()
	cfg.Name = "weft " + h.node.Name + " " + purpose
	cfg.Logger, cfg.JSDomain = h.log, h.cfg.JSDomain
	if purpose == natsRPC {
		cfg.ReconnectBufferBytes = natsconn.NoBuffer
	}
	return cfg
}

// tellProviders gives those that run what they do not have yet. Those that listen are told at the same time. The others
// are started anew, one after another, so that of several on one host only one is away at a time.
func (h *Host) tellProviders(ctx context.Context) error {
	var mu sync.Mutex
	var deaf []*provider // guarded by mu
	err := each(h.allProviders(), func(p *provider) error {
		if p.told.Load() == h.generation.Load() || !p.serves() {
			return nil // the start to come gives it what is new
		}
		listens, err := p.tell(ctx)
		if !listens {
			mu.Lock()
			deaf = append(deaf, p)
			mu.Unlock()
		}
		return err
	})
	for _, p := range deaf {
		h.log.Info("provider is started anew: it takes no keys while it runs", lattice.LogProvider, p.name, lattice.LogLink, p.link)
		if e := p.supervised().Renew(ctx, "new keys"); e != nil {
			err = errors.Join(err, fmt.Errorf("provider %s: %w", p.name, e))
		}
	}
	return err
}

// tell gives the process the present host data. It reports whether the process listens at all.
func (p *provider) tell(ctx context.Context) (listens bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	generation := p.host.generation.Load()
	answer, err := p.supervised().Tell(ctx, p.hostData(nil, ""))
	switch {
	case errors.Is(err, supervisor.ErrDeaf), lattice.CodeOf(err) == lattice.ErrTimeout, err == nil && answer == wire.RestartLine:
		return false, nil
	case err != nil:
		return true, fmt.Errorf("provider %s: %w", p.name, err)
	}
	p.told.Store(generation)
	select { // a link may have come while it reconnected
	case p.kick <- struct{}{}:
	default:
	}
	return true, nil
}

// firstLine is the host data of a process that starts.
func (p *provider) firstLine() []byte {
	p.own.forget()
	p.opened.Store(false)
	p.told.Store(p.host.generation.Load()) // before the data: what changes now is told again
	return p.hostData(p.offerChannel(), p.offerProfile())
}

// catchUp tells the process what has changed since it was started, if anything has.
func (p *provider) catchUp() {
	h := p.host
	if p.told.Load() == h.generation.Load() {
		return
	}
	h.tasks.Run("keys of providers", func(ctx context.Context) {
		select {
		case h.reloading <- struct{}{}:
			defer func() { <-h.reloading }()
		case <-ctx.Done():
			return
		}
		if err := h.tellProviders(ctx); err != nil {
			h.log.Warn("provider has not got new keys", lattice.LogErr, err)
		}
	})
}

func (p *provider) supervised() *supervisor.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.process
}
