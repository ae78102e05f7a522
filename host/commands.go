package host

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/wire"
)

// commands answers the control interface for a host. Commands are accepted first and carried out by tasks.
type commands struct{ *aHost }

// aHost is a Host under another name, since the interface has a method Host.
type aHost = Host

var _ control.Handler = commands{}

var errDraining = &lattice.Error{Code: lattice.ErrUnavailable, Detail: "the host is draining and takes no new work"}

// Host answers a ping.
func (c commands) Host(context.Context) (control.Host, error) {
	return c.describe(), nil
}

// Inventory answers what runs here.
func (c commands) Inventory(context.Context) (control.HostInventory, error) {
	return c.inventory(), nil
}

// Claims answers what the lattice knows of actors and providers.
func (c commands) Claims(context.Context) ([]control.Claims, error) { return c.state.AllClaims(), nil }

// Links answers the lattice's links.
func (c commands) Links(context.Context) ([]wire.LinkDefinition, error) { return c.state.All(), nil }

// Logs answers the last lines of an actor; an actor that never ran here has none.
func (c commands) Logs(_ context.Context, r control.LogsRequest) ([]control.LogLine, error) {
	if a := c.actor(r.ActorID); a != nil {
		return a.log.tail(r.Lines), nil
	}
	return nil, nil
}

// Failures answers the calls that failed here.
func (c commands) Failures(_ context.Context, r control.FailuresRequest) (control.FailuresReply, error) {
	found, last := c.failures.Find(r)
	return control.FailuresReply{Failures: found, Last: last}, nil
}

// Lost answers the hosts that this one misses.
func (c commands) Lost(context.Context) ([]control.LostHost, error) { return c.company.Missed(), nil }

// BidActor bids when the labels match, the host takes work, and the reference does not run here under another key.
func (c commands) BidActor(_ context.Context, r control.ActorAuctionRequest) bool {
	return !c.node.Draining() && lattice.Matches(c.node.Labels(), r.Constraints) && c.reachable(r.ActorRef) == nil
}

// BidProvider bids when the labels match, the host takes work, and the provider does not run here under that link name.
func (c commands) BidProvider(_ context.Context, r control.ProviderAuctionRequest) bool {
	if c.node.Draining() || !lattice.Matches(c.node.Labels(), r.Constraints) {
		return false
	}
	if _, ok := c.builtin(r.ProviderRef); !ok && c.reachable(r.ProviderRef) != nil {
		return false
	}
	return !c.providerRuns(r.ProviderRef, r.LinkName)
}

// reachable refuses at once what could not be started here: another machine's file, or one where files are not allowed.
func (c commands) reachable(ref string) error {
	if !isFile(ref) {
		return nil
	}
	if !c.cfg.AllowFileLoad {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "load", Entity: lattice.Printable(ref), Detail: "loading files is not allowed on this host; start it with --allow-file-load"}
	}
	if _, err := os.Stat(strings.TrimPrefix(ref, "file://")); err != nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "load", Entity: lattice.Printable(ref), Err: err}
	}
	return nil
}

// StartActor is the old clients' command: it adds to what runs.
func (c commands) StartActor(_ context.Context, r control.StartActorRequest) error {
	return c.accept("actor "+r.ActorRef, func(ctx context.Context) {
		c.scale(ctx, scaleRequest{ref: r.ActorRef, annotations: r.Annotations, max: r.Count, add: true})
	})
}

// ScaleActor sets the scale under one set of annotations.
func (c commands) ScaleActor(_ context.Context, r control.ScaleActorRequest) error {
	if r.MaxInstances == 0 {
		return c.tasks.Run("actor "+r.ActorRef, func(ctx context.Context) {
			c.scale(ctx, scaleRequest{ref: r.ActorRef, id: r.ActorID, annotations: r.Annotations})
		})
	}
	return c.accept("actor "+r.ActorRef, func(ctx context.Context) {
		c.scale(ctx, scaleRequest{ref: r.ActorRef, id: r.ActorID, annotations: r.Annotations, max: r.MaxInstances, digest: r.Digest, settings: settings(r.Limits, r.Config)})
	})
}

// accept queues work that a draining host refuses.
func (c commands) accept(key string, work func(context.Context)) error {
	if c.node.Draining() {
		return errDraining
	}
	return c.tasks.Run(key, work)
}

// StopActor stops the instances whose annotations contain the given ones.
func (c commands) StopActor(_ context.Context, r control.StopActorRequest) error {
	a := c.actor(r.ActorID)
	var v *version
	if a != nil {
		v = a.current.Load()
	}
	if v == nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop", Entity: string(r.ActorID), Detail: "actor is not running on this host"}
	}
	scales := a.withAnnotations(r.Annotations)
	if len(scales) == 0 {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop", Entity: string(r.ActorID), Detail: "no actors with matching annotations found to stop"}
	}
	return c.tasks.Run("actor "+v.ref, func(ctx context.Context) {
		for _, s := range scales {
			c.scale(ctx, scaleRequest{ref: v.ref, id: r.ActorID, annotations: s.annotations, instanceID: s.instanceID, max: s.max - stopped(r.Count, s.max)})
		}
	})
}

// stopped is how many of max a stop command takes away; 0 means all.
func stopped(count, max uint32) uint32 {
	if count == 0 || count > max {
		return max
	}
	return count
}

// UpdateActor swaps an actor's code and returns when that is done.
func (c commands) UpdateActor(ctx context.Context, r control.UpdateActorRequest) error {
	return c.tasks.Wait(ctx, "update "+r.NewActorRef, func(ctx context.Context) error { return c.update(ctx, r) })
}

// StartProvider starts a provider's process.
func (c commands) StartProvider(_ context.Context, r control.StartProviderRequest) error {
	if r.Replaces == "" && c.providerRuns(r.ProviderRef, r.LinkName) {
		err := errProviderRuns(lattice.Printable(r.ProviderRef))
		c.publish(event.ProviderStartFailed{ProviderRef: r.ProviderRef, LinkName: r.LinkName, Error: err.Error(), Code: lattice.CodeOf(err).Name(), HostID: c.node.ID})
		return err
	}
	return c.accept("provider "+r.ProviderRef+" "+string(r.LinkName), func(ctx context.Context) { c.startProvider(ctx, r) })
}

// StopProvider ends a provider's process.
func (c commands) StopProvider(_ context.Context, r control.StopProviderRequest) error {
	p := c.provider(providerKey{r.ProviderID, r.LinkName})
	if p == nil {
		if c.runsUnderOtherLink(r.ProviderID) {
			return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop provider", Entity: string(r.ProviderID), Detail: "provider with that link name is not running"}
		}
		return nil // as hosts of the dialect do: the wish is fulfilled
	}
	return c.tasks.Run("provider "+p.ref+" "+string(p.link), func(context.Context) {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.DrainTimeout)
		defer cancel()
		if err := c.stopProvider(ctx, p); err != nil {
			c.log.Warn("provider did not end cleanly", lattice.LogProvider, p.id, lattice.LogErr, err)
		}
	})
}

// StopHost ends the host after it has answered.
func (c commands) StopHost(_ context.Context, r control.StopHostRequest) error {
	select {
	case c.quit <- time.Duration(min(r.TimeoutMs, 1<<31)) * time.Millisecond:
	default: // it is stopping already
	}
	return nil
}

// DrainHost takes no more work, ends what runs, and stays for inspection until it is stopped.
func (c commands) DrainHost(context.Context, control.StopHostRequest) error {
	c.takeNoMore()
	c.publish(event.HostDraining{Labels: c.node.Labels()})
	c.log.Info("host is draining")
	return c.tasks.Run("drain", func(context.Context) {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.DrainTimeout)
		defer cancel()
		if err := c.stopWork(ctx); err != nil {
			c.log.Warn("host did not drain cleanly", lattice.LogErr, err)
		}
		c.beats.Changed()
	})
}

// Reload reads keys and credentials again.
func (c commands) Reload(ctx context.Context) (control.Reloaded, error) { return c.aHost.Reload(ctx) }

// PutLabel sets a label; those that describe the machine stay.
func (c commands) PutLabel(_ context.Context, r control.LabelRequest) error {
	for _, s := range []string{r.Key, r.Value} {
		if err := lattice.CheckName("label", s); err != nil {
			return err
		}
	}
	return c.changeLabel(r.Key, func() { c.node.PutLabel(r.Key, r.Value) })
}

// DelLabel deletes a label.
func (c commands) DelLabel(_ context.Context, r control.LabelRequest) error {
	return c.changeLabel(r.Key, func() { c.node.DelLabel(r.Key) })
}

func (c commands) changeLabel(key string, change func()) error {
	if strings.HasPrefix(key, "hostcore.") {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "change label", Entity: lattice.Printable(key), Detail: "it describes the machine"}
	}
	change()
	c.beats.Changed()
	return nil
}

// PutRegistries takes credentials for registries. They are kept in memory, and go before those of the host's settings.
func (c commands) PutRegistries(_ context.Context, all control.RegistryCredentials) error {
	known := map[string]oci.Credential{}
	for registry, r := range all {
		if r.RegistryType != "" && r.RegistryType != "oci" {
			c.log.Warn("credentials of a registry that is not supported are left out", "registry", lattice.Printable(registry), "type", lattice.Printable(r.RegistryType))
			continue
		}
		known[registry] = oci.Credential{Username: r.Username, Password: r.Password, Token: r.Token}
		c.log.Info("registry credentials changed", "registry", lattice.Printable(registry))
	}
	c.resolver.SetCredentials(known)
	return nil
}

// PutLink writes to the bucket, where all hosts see it, unless the provider refuses it.
func (c commands) PutLink(ctx context.Context, l wire.LinkDefinition) error {
	return c.state.StoreLink(ctx, l)
}

// DelLink deletes from the bucket.
func (c commands) DelLink(ctx context.Context, r control.RemoveLinkRequest) error {
	return c.state.DeleteLink(ctx, r)
}

// describe is the host as a ping shows it.
func (h *Host) describe() control.Host {
	up := time.Since(h.node.Started)
	addr := natsconn.SafeURL(h.cfg.NATS.URL)
	state := ""
	if h.node.Draining() {
		state = control.StateDraining
	}
	return control.Host{ID: h.node.ID, Issuer: h.keys.Load().Cluster.Public(), Labels: h.node.Labels(), FriendlyName: h.node.Name,
		UptimeSeconds: uint64(up.Seconds()), UptimeHuman: humanDuration(up), Version: Version,
		ClusterIssuers: h.peer.Verifier.Issuers(), JSDomain: h.cfg.JSDomain, CtlHost: addr, RPCHost: addr, ProvRPCHost: addr,
		LatticePrefix: h.cfg.Lattice, Lattice: h.cfg.Lattice, State: state}
}

// humanDuration says how long something took in words: "2 hours, 3 minutes".
func humanDuration(d time.Duration) string {
	s := int64(d.Seconds())
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case s < 60:
		return unit(s, "second")
	case s < 3600:
		return unit(s/60, "minute")
	case s < 86400:
		return unit(s/3600, "hour") + ", " + unit(s%3600/60, "minute")
	}
	return unit(s/86400, "day") + ", " + unit(s%86400/3600, "hour")
}
