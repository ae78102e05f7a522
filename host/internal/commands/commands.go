// Package commands answers the control interface for a host. Commands are accepted first and carried out by tasks: a
// reply means accepted.
package commands

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weftlattice/weft/host/internal/actors"
	"github.com/weftlattice/weft/host/internal/company"
	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/internal/controlserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/oci"
	"github.com/weftlattice/weft/lattice/wire"
)

// Artifacts knows where artifacts are fetched from.
type Artifacts interface {
	SetCredentials(map[string]oci.Credential)
}

// Config is what Commands need. Fields without a remark are necessary.
type Config struct {
	Self          *identity.Self
	AllowFileLoad bool          // actors and providers are started from files of this machine
	Drain         time.Duration // how long the end of what runs may take

	Actors    *actors.Actors
	Providers *providers.Providers
	State     *state.State
	Failures  *failures.Log
	Company   *company.Company
	Tasks     *tasks.Queue
	Artifacts Artifacts

	Describe   func() control.Host
	Inventory  func() control.HostInventory
	TakeNoMore func()                    // makes the host refuse new work
	Stop       func(drain time.Duration) // ends the host, after as long as work in flight may take; 0: as it is set
	Reload     func(context.Context) (control.Reloaded, error)

	Publish func(events ...event.Data) // tells the lattice
	Changed func()                     // takes that the inventory may be another one
	Logger  *slog.Logger
}

// Commands answers the control interface. It is safe for concurrent use.
type Commands struct{ cfg Config }

// New makes Commands.
func New(cfg Config) *Commands { return &Commands{cfg} }

var _ controlserver.Handler = (*Commands)(nil)

var errDraining = &lattice.Error{Code: lattice.ErrUnavailable, Detail: "the host is draining and takes no new work"}

// Host answers a ping.
func (c *Commands) Host(context.Context) (control.Host, error) {
	return c.cfg.Describe(), nil
}

// Inventory answers what runs here.
func (c *Commands) Inventory(context.Context) (control.HostInventory, error) {
	return c.cfg.Inventory(), nil
}

// Claims answers what the lattice knows of actors and providers.
func (c *Commands) Claims(context.Context) ([]control.Claims, error) {
	return c.cfg.State.AllClaims(), nil
}

// Links answers the lattice's links.
func (c *Commands) Links(context.Context) ([]wire.LinkDefinition, error) {
	return c.cfg.State.All(), nil
}

// Logs answers the last lines of an actor; an actor that never ran here has none.
func (c *Commands) Logs(_ context.Context, r control.LogsRequest) ([]control.LogLine, error) {
	return c.cfg.Actors.Tail(r.ActorID, r.Lines), nil
}

// Failures answers the calls that failed here.
func (c *Commands) Failures(_ context.Context, r control.FailuresRequest) (control.FailuresReply, error) {
	found, last := c.cfg.Failures.Find(r)
	return control.FailuresReply{Failures: found, Last: last}, nil
}

// Lost answers the hosts that this one misses.
func (c *Commands) Lost(context.Context) ([]control.LostHost, error) {
	return c.cfg.Company.Missed(), nil
}

// BidActor bids when the labels match, the host takes work, and the reference does not run here under another key.
func (c *Commands) BidActor(_ context.Context, r control.ActorAuctionRequest) bool {
	return !c.cfg.Self.Draining() && lattice.Matches(c.cfg.Self.Labels(), r.Constraints) &&
		c.reachable(r.ActorRef) == nil
}

// BidProvider bids when the labels match, the host takes work, and the provider does not run here under that link name.
func (c *Commands) BidProvider(_ context.Context, r control.ProviderAuctionRequest) bool {
	if c.cfg.Self.Draining() || !lattice.Matches(c.cfg.Self.Labels(), r.Constraints) {
		return false
	}
	if _, ok := c.cfg.Providers.Builtin(r.ProviderRef); !ok && c.reachable(r.ProviderRef) != nil {
		return false
	}
	return !c.cfg.Providers.Runs(r.ProviderRef, r.LinkName)
}

// reachable refuses at once what could not be started here: another machine's file, or one where files are not allowed.
func (c *Commands) reachable(ref string) error {
	if !isFile(ref) {
		return nil
	}
	if !c.cfg.AllowFileLoad {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "load", Entity: lattice.Printable(ref),
			Detail: "loading files is not allowed on this host; start it with --allow-file-load"}
	}
	if _, err := os.Stat(strings.TrimPrefix(ref, "file://")); err != nil {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "load", Entity: lattice.Printable(ref), Err: err}
	}
	return nil
}

// StartActor is the old clients' command: it adds to what runs.
func (c *Commands) StartActor(_ context.Context, r control.StartActorRequest) error {
	return c.accept("actor "+r.ActorRef, func(ctx context.Context) {
		c.cfg.Actors.Scale(ctx, actors.ScaleRequest{Ref: r.ActorRef, Annotations: r.Annotations, Max: r.Count,
			Add: true})
	})
}

// ScaleActor sets the scale under one set of annotations.
func (c *Commands) ScaleActor(_ context.Context, r control.ScaleActorRequest) error {
	if r.MaxInstances == 0 {
		return c.cfg.Tasks.Run("actor "+r.ActorRef, func(ctx context.Context) {
			c.cfg.Actors.Scale(ctx, actors.ScaleRequest{Ref: r.ActorRef, ID: r.ActorID, Annotations: r.Annotations})
		})
	}
	return c.accept("actor "+r.ActorRef, func(ctx context.Context) {
		c.cfg.Actors.Scale(ctx, actors.ScaleRequest{Ref: r.ActorRef, ID: r.ActorID, Annotations: r.Annotations,
			Max: r.MaxInstances, Digest: r.Digest, Settings: actors.SettingsOf(r.Limits, r.Config)})
	})
}

// accept queues work that a draining host refuses.
func (c *Commands) accept(key string, work func(context.Context)) error {
	if c.cfg.Self.Draining() {
		return errDraining
	}
	return c.cfg.Tasks.Run(key, work)
}

// StopActor stops the instances whose annotations contain the given ones.
func (c *Commands) StopActor(_ context.Context, r control.StopActorRequest) error {
	ref, scales, runs := c.cfg.Actors.Running(r.ActorID, r.Annotations)
	if !runs {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop", Entity: string(r.ActorID),
			Detail: "actor is not running on this host"}
	}
	if len(scales) == 0 {
		return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop", Entity: string(r.ActorID),
			Detail: "no actors with matching annotations found to stop"}
	}
	return c.cfg.Tasks.Run("actor "+ref, func(ctx context.Context) {
		for _, s := range scales {
			c.cfg.Actors.Scale(ctx, actors.ScaleRequest{Ref: ref, ID: r.ActorID, Annotations: s.Annotations,
				InstanceID: s.InstanceID, Max: s.Max - stopped(r.Count, s.Max)})
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
func (c *Commands) UpdateActor(ctx context.Context, r control.UpdateActorRequest) error {
	return c.cfg.Tasks.Wait(ctx, "update "+r.NewActorRef, func(ctx context.Context) error {
		return c.cfg.Actors.Update(ctx,
			r)
	})
}

// StartProvider starts a provider's process.
func (c *Commands) StartProvider(_ context.Context, r control.StartProviderRequest) error {
	if r.Replaces == "" && c.cfg.Providers.Runs(r.ProviderRef, r.LinkName) {
		err := providers.ErrRuns(lattice.Printable(r.ProviderRef))
		c.cfg.Publish(event.ProviderStartFailed{ProviderRef: r.ProviderRef, LinkName: r.LinkName, Error: err.Error(),
			Code: lattice.CodeOf(err).Name(), HostID: c.cfg.Self.ID})
		return err
	}
	return c.accept("provider "+r.ProviderRef+" "+string(r.LinkName),
		func(ctx context.Context) { c.cfg.Providers.Launch(ctx, r) })
}

// StopProvider ends a provider's process.
func (c *Commands) StopProvider(_ context.Context, r control.StopProviderRequest) error {
	p := c.cfg.Providers.Find(r.ProviderID, r.LinkName)
	if p == nil {
		if c.cfg.Providers.RunsUnderAnyLink(r.ProviderID) {
			return &lattice.Error{Code: lattice.ErrNotFound, Op: "stop provider", Entity: string(r.ProviderID),
				Detail: "provider with that link name is not running"}
		}
		return nil // as hosts of the dialect do: the wish is fulfilled
	}
	return c.cfg.Tasks.Run("provider "+p.Ref()+" "+string(r.LinkName), func(context.Context) {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Drain)
		defer cancel()
		if err := p.End(ctx); err != nil {
			c.cfg.Logger.Warn("provider did not end cleanly", lattice.LogProvider, r.ProviderID, lattice.LogErr, err)
		}
	})
}

// StopHost ends the host after it has answered.
func (c *Commands) StopHost(_ context.Context, r control.StopHostRequest) error {
	c.cfg.Stop(time.Duration(min(r.TimeoutMs, 1<<31)) * time.Millisecond)
	return nil
}

// DrainHost takes no more work, ends what runs, and stays for inspection until it is stopped.
func (c *Commands) DrainHost(context.Context, control.StopHostRequest) error {
	c.cfg.TakeNoMore()
	c.cfg.Publish(event.HostDraining{Labels: c.cfg.Self.Labels()})
	c.cfg.Logger.Info("host is draining")
	return c.cfg.Tasks.Run("drain", func(context.Context) {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Drain)
		defer cancel()
		// actors come first, since their calls in progress may still need a provider
		if err := errors.Join(c.cfg.Actors.Stop(ctx), c.cfg.Providers.StopAll(ctx)); err != nil {
			c.cfg.Logger.Warn("host did not drain cleanly", lattice.LogErr, err)
		}
		c.cfg.Changed()
	})
}

// Reload reads keys and credentials again.
func (c *Commands) Reload(ctx context.Context) (control.Reloaded, error) { return c.cfg.Reload(ctx) }

// PutLabel sets a label; those that describe the machine stay.
func (c *Commands) PutLabel(_ context.Context, r control.LabelRequest) error {
	for _, s := range []string{r.Key, r.Value} {
		if err := lattice.CheckName("label", s); err != nil {
			return err
		}
	}
	return c.changeLabel(r.Key, func() { c.cfg.Self.PutLabel(r.Key, r.Value) })
}

// DelLabel deletes a label.
func (c *Commands) DelLabel(_ context.Context, r control.LabelRequest) error {
	return c.changeLabel(r.Key, func() { c.cfg.Self.DelLabel(r.Key) })
}

// changeLabel refuses labels of the machine, which constraints of schedulers go by.
func (c *Commands) changeLabel(key string, change func()) error {
	if strings.HasPrefix(key, "hostcore.") {
		return &lattice.Error{Code: lattice.ErrDenied, Op: "change label", Entity: lattice.Printable(key),
			Detail: "it describes the machine"}
	}
	change()
	c.cfg.Changed()
	return nil
}

// PutRegistries takes credentials for registries. They are kept in memory, and go before those of the host's settings.
func (c *Commands) PutRegistries(_ context.Context, all control.RegistryCredentials) error {
	known := map[string]oci.Credential{}
	for _, registry := range slices.Sorted(maps.Keys(all)) {
		r := all[registry]
		if r.RegistryType != "" && r.RegistryType != "oci" {
			c.cfg.Logger.Warn("credentials of a registry that is not supported are left out", "registry",
				lattice.Printable(registry), "type", lattice.Printable(r.RegistryType))
			continue
		}
		known[registry] = oci.Credential{Username: r.Username, Password: r.Password, Token: r.Token}
		c.cfg.Logger.Info("registry credentials changed", "registry", lattice.Printable(registry))
	}
	c.cfg.Artifacts.SetCredentials(known)
	return nil
}

// PutLink writes to the bucket, where all hosts see it, unless the provider refuses it.
func (c *Commands) PutLink(ctx context.Context, l wire.LinkDefinition) error {
	return c.cfg.State.StoreLink(ctx, l)
}

// DelLink deletes from the bucket.
func (c *Commands) DelLink(ctx context.Context, r control.RemoveLinkRequest) error {
	return c.cfg.State.DeleteLink(ctx, r)
}

// isFile reports whether a reference names a file of this machine.
func isFile(ref string) bool { return strings.HasPrefix(ref, "file://") || strings.HasPrefix(ref, "/") }
