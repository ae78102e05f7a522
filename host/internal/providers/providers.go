// Package providers runs the capability providers of a host. To a host a provider is a process and some subjects: it
// starts and supervises the process, tells it what it serves with, watches that it lives, and offers it a channel of
// its own.
//
// Locks, outermost first: Providers.mu, Provider.mu. Neither is held across NATS, a process or a disk.
package providers

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host/internal/artifact"
	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/identity"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/served"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/tasks"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// Builtin is a provider that comes with the binary.
type Builtin struct {
	ID         lattice.ProviderID
	Name       string
	ContractID lattice.ContractID
	Version    string
	Revision   int32
	Path       string // executable
	Args       []string
	Storage    bool   // it keeps data in JetStream
	Inside     Inside // when set, it is run in the host's process instead
}

// Inside runs a provider in the host's process, until ctx ends or its input does. The channel that it serves is in ctx.
type Inside func(ctx context.Context, s supervisor.Streams) error

// Keys are the cluster keys that providers get.
type Keys struct {
	Seed    string              // signs their calls
	Trusted []lattice.ClusterID // public keys of all that calls to them may be signed with
}

// Artifacts fetches what is to be run.
type Artifacts interface {
	FetchAt(ctx context.Context, ref, digest string) (artifact.Artifact, error)
	Executable(archive []byte) (path string, c *signing.ProviderClaims, err error)
}

// Config is what Providers need. Fields without a remark are necessary.
type Config struct {
	Self       *identity.Self
	Builtins   map[string]Builtin // by name
	Drain      time.Duration      // how long the end of one may take that another one replaces
	Grace      time.Duration      // between asking one to end and killing it
	Ready      time.Duration      // how long one may take to get ready
	RPCTimeout time.Duration      // calls that say no deadline

	SocketsDir        string // where the channels' sockets are; "": below TMPDIR
	Profiles          bool   // they serve profiles
	StructuredLogging bool   // what they are told to log
	FilesDirs         []string
	JSDomain          string

	Conn      *nats.Conn
	Access    *Access
	Keys      func() Keys
	Artifacts Artifacts
	State     *state.State
	Policy    *permit.Policy
	Actors    Actors
	Guard     *supervisor.Guard // nil: none
	Budget    *load.Budget      // of large payloads
	Streams   *stream.Meter     // of the bodies beside calls
	Served    *served.Changes
	Tasks     *tasks.Queue
	Renewing  *tasks.Lock // held while providers are told of new keys and credentials

	Failures *failures.Log
	Metrics  *metrics.Metrics
	Observe  func(ctx context.Context, inv *wire.Invocation, took time.Duration,
		err error) // counts a call that was refused
	Publish func(events ...event.Data) // tells the lattice
	Changed func()                     // takes that the inventory may be another one
	Logger  *slog.Logger
}

// Actors are those that run on this host.
type Actors interface {
	// Served are those that take calls.
	Served() []lattice.ActorID
	// Streams reports whether an actor takes requests, and answers, as streams.
	Streams(id lattice.ActorID) bool
	// ServeLocal serves a call that a provider of this host makes. What is not here, or not free here while it may be
	// so elsewhere, is lattice.ErrNoResponders: the caller then goes over NATS.
	ServeLocal(ctx context.Context, inv *wire.Invocation) ([]byte, error)
}

// away reports whether this host knows that it has no connection to NATS.
func (c *Config) away() bool { return !c.Conn.IsConnected() }

// Providers are those that a host has started. Make them with New, then Start once. They are safe for concurrent use.
type Providers struct {
	cfg        Config
	listener   *channel.Listener // of all channels; nil: there are none
	conns      sync.WaitGroup
	profiles   profiles
	generation atomic.Uint64 // of keys and credentials; providers are told when it grows
	connected  atomic.Int64  // when NATS was back last, in Unix nanoseconds; 0: it has not been away

	mu    sync.RWMutex
	table map[key]*Provider // guarded by mu
}

// New makes Providers, of which none runs.
func New(cfg Config) *Providers {
	return &Providers{cfg: cfg, table: map[key]*Provider{}}
}

// Start makes what processes of providers are offered. A host that cannot listen for channels goes on without: calls go
// over NATS.
func (ps *Providers) Start(context.Context) error {
	if ps.cfg.Profiles {
		if err := ps.profiles.open(); err != nil {
			return err
		}
	}
	base := ps.cfg.SocketsDir // else below TMPDIR, where many machines remove files that were not touched for days
	if base != "" {
		if err := os.MkdirAll(base, 0o700); err != nil {
			base = ""
		}
	}
	l, err := channel.Listen(base, ps.cfg.Logger)
	if err != nil {
		ps.cfg.Logger.Warn("providers have no local channel; calls go over NATS", lattice.LogErr, err)
	} else {
		ps.listener = l
	}
	return nil
}

// Stop ends all providers, and what Start began. The host takes no new work by then.
func (ps *Providers) Stop(ctx context.Context) error {
	err := ps.StopAll(ctx)
	if ps.listener != nil {
		err = errors.Join(err, ps.listener.Close())
		ps.conns.Wait()
	}
	return errors.Join(err, ps.profiles.close())
}

// StopAll ends all providers. The host takes no new work by then.
func (ps *Providers) StopAll(ctx context.Context) error {
	return tasks.Each(ps.list(), func(p *Provider) error { return p.End(ctx) })
}

// Returned takes that the host's connection to NATS is back.
func (ps *Providers) Returned() { ps.connected.Store(time.Now().UnixNano()) }

// CheckSoon lets the next health check of each come at once, with a look at its links. It does not wait: a check that
// is due already counts for it.
func (ps *Providers) CheckSoon() {
	for _, p := range ps.list() {
		select {
		case p.kick <- struct{}{}:
		default:
		}
	}
}

// Find returns the provider that runs under an id and a link name, nil when none does.
func (ps *Providers) Find(id lattice.ProviderID, link lattice.LinkName) *Provider {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	return ps.table[key{id, link}]
}

// Builtin finds a provider that comes with the binary, by "builtin://NAME" or the bare name.
func (ps *Providers) Builtin(ref string) (Builtin, bool) {
	b, ok := ps.cfg.Builtins[strings.TrimPrefix(ref, "builtin://")]
	return b, ok
}

// Runs reports whether a reference runs here under a link name.
func (ps *Providers) Runs(ref string, link lattice.LinkName) bool {
	return slices.ContainsFunc(ps.list(), func(p *Provider) bool {
		return p.link == link && (p.ref == ref || p.builtin && strings.TrimPrefix(p.ref,
			"builtin://") == strings.TrimPrefix(ref, "builtin://"))
	})
}

// RunsUnderAnyLink reports whether a provider runs here, whatever its link name.
func (ps *Providers) RunsUnderAnyLink(id lattice.ProviderID) bool {
	return slices.ContainsFunc(ps.list(), func(p *Provider) bool { return p.id == id })
}

// RunsForeign reports whether the link's provider runs here, and it may not be built on weft's SDK. Those of other SDKs
// ignore new values of a link that they have, so they are told first that it is gone.
func (ps *Providers) RunsForeign(l wire.LinkDefinition) bool {
	p := ps.Find(l.ProviderID, l.LinkName)
	return p != nil && !p.builtin
}

// Streams reports whether a provider takes streams.
func (ps *Providers) Streams(e wire.Entity) bool {
	p := ps.Find(e.Provider(), e.LinkName)
	return p != nil && p.takes.Load()
}

// TakeDirect are those that take calls which are meant for them alone.
func (ps *Providers) TakeDirect() (all []wire.Entity) {
	for _, p := range ps.list() {
		if p.direct.Load() && p.serves() {
			all = append(all, wire.ProviderEntity(p.id, p.contract, p.link))
		}
	}
	return all
}

// Inventory is what runs, as inventories show it.
func (ps *Providers) Inventory() (all []control.Provider) {
	for _, p := range ps.list() {
		all = append(all, p.describe())
	}
	return all
}

// Call makes a call to a provider on this host. It reports false when the call has not begun and may be made over NATS.
// A call with a streaming body stays: once its body is read it cannot be made again elsewhere.
func (ps *Providers) Call(ctx context.Context, call rpc.Call, stay bool) (result []byte, err error, done bool) {
	p := ps.Find(call.Target.Provider(), call.Target.LinkName)
	if p == nil || !p.channel.Up() {
		return nil, served.NotHere(call.Target), false
	}
	if !p.takes.Load() {
		if call.Stream.HasBody() { // another host may have one that takes it
			return nil, served.NotHere(call.Target), false
		}
		call.Stream = nil
	}
	result, err = p.channel.Call(ctx, &channel.Call{Origin: call.Origin, Target: call.Target, Operation: call.Operation,
		Payload: call.Payload, Stay: stay || call.Stream.HasBody(), Stream: call.Stream}, ps.cfg.RPCTimeout)
	return result, err, !channel.Elsewhere(err)
}

// list is a copy, so that callers may wait for providers without mu.
func (ps *Providers) list() []*Provider {
	ps.mu.RLock()
	defer ps.mu.RUnlock()
	out := make([]*Provider, 0, len(ps.table))
	for _, p := range ps.table {
		out = append(out, p)
	}
	return out
}

// drop forgets a provider that does not run.
func (ps *Providers) drop(p *Provider) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.table[p.key] == p {
		delete(ps.table, p.key)
	}
}
