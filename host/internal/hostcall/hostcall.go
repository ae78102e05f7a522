// Package hostcall serves the calls that guests make out of their sandbox: it finds whom a guest means, checks the
// actor's claims and the policy, and makes the call on this host where it can be, else over NATS.
package hostcall

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/weftlattice/weft/host/internal/failures"
	"github.com/weftlattice/weft/host/internal/metrics"
	"github.com/weftlattice/weft/host/internal/ownlinks"
	"github.com/weftlattice/weft/host/internal/permit"
	"github.com/weftlattice/weft/host/internal/state"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// Caller is the actor whose guest calls.
type Caller struct {
	ID     lattice.ActorID
	Claims *signing.ActorClaims
	Log    func(ctx context.Context, level, text string) // takes a line for the actor's log
}

// typed is how a person types the actor in a command: its name, or its key where a shell would not take the name as it
// is.
func (c *Caller) typed() string {
	name := c.Claims.Name
	if name == "" || name[0] == '-' || strings.Trim(name, "-_.0123456789abcdefghijklmnopqrstuvwxyz"+
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return string(c.ID)
	}
	return name
}

// Client makes calls over NATS.
type Client interface {
	Call(ctx context.Context, call rpc.Call) ([]byte, error)
}

// Config is what Calls need. All fields are necessary.
type Config struct {
	Lattice    lattice.Name
	RPCTimeout time.Duration // calls for callers that do not say how long they wait
	State      *state.State
	Policy     *permit.Policy
	Client     Client
	// Here makes a call to an actor or provider on this host. It reports false when the call has not begun and may be
	// made over NATS; stay says that it may not.
	Here func(ctx context.Context, call rpc.Call, stay bool) (result []byte, err error, done bool)
	// Streams reports whether a provider takes bodies beside calls: the one on this host, or one that is known to run
	// elsewhere.
	Streams  func(to wire.Entity, route wire.Route) bool
	Metrics  *metrics.Metrics
	Failures *failures.Log
}

// Calls serves the calls of all guests of a host. It is safe for concurrent use.
type Calls struct{ cfg Config }

// New makes Calls.
func New(cfg Config) *Calls { return &Calls{cfg: cfg} }

// Call serves a call that a guest makes. It finds the target in this order: a builtin contract, a link of the actor for
// (contract, link name), and then what else contract may be: an actor's key, a call alias, the reference from which an
// actor was started. The first four are those of the wire dialect, in its order. So a link can stand in for a key or an
// alias, and nothing stands in for what the host itself serves.
//
// The call waits as long as the caller of the actor does. It may run for many guests at once, and holds no lock.
// beside are the bodies that travel with it, nil: none; see wasm.Host.
func (c *Calls) Call(ctx context.Context, from *Caller, link lattice.LinkName, contract lattice.ContractID,
	operation string, payload []byte, beside *stream.Caller) ([]byte, error) {
	start := time.Now()
	to, target, result, err := c.call(ctx, from, link, contract, operation, payload, beside)
	c.cfg.Metrics.Called(string(from.ID), target, operation, time.Since(start), err)
	if err != nil {
		c.cfg.Failures.Called(ctx, wire.Failure{ActorID: from.ID, Operation: operation,
			Target: cmp.Or(to.PublicKey, target), Contract: contract, LinkName: link}, err)
	}
	return result, err
}

// call returns whom it called, and its name for metrics. contract may be the name of an actor, too.
func (c *Calls) call(ctx context.Context, from *Caller, link lattice.LinkName, contract lattice.ContractID,
	operation string, payload []byte, beside *stream.Caller) (to wire.Entity, target string, _ []byte, err error) {
	switch contract {
	case logging.ID, numbergen.ID:
		if err := RequireCapability(from.Claims, contract); err != nil {
			return to, string(contract), nil, err
		}
		result, err := c.builtin(ctx, from, operation, payload)
		return to, string(contract), result, err
	case ownlinks.ID:
		result, err := c.ownLinks(from, operation, payload)
		return to, string(contract), result, err
	}
	// From here on it may wait, for the policy or for the target.
	channel.Yield(ctx) // it waits, and others should not wait with it
	to, target, route, err := c.resolve(from, link, contract)
	if err != nil {
		return wire.Entity{}, "none", nil, err
	}
	if err := c.cfg.Policy.CallOut(ctx, from.Claims, to, operation); err != nil {
		return to, target, nil, err
	}
	result, err := c.out(ctx, rpc.Call{Origin: wire.ActorEntity(from.ID), Target: to, Operation: operation,
		Payload: payload, Stream: beside}, route)
	if err != nil {
		err = rpc.Unserved(err, c.unserved(to))
	}
	return to, target, result, err
}

// unserved says what runs nowhere, and how to start it.
func (c *Calls) unserved(to wire.Entity) string {
	if to.IsActor() {
		return c.cfg.State.Name(to.PublicKey) + " runs on no host; start it with: weft actor start REFERENCE"
	}
	name := c.cfg.State.ProviderName(lattice.ProviderID(to.PublicKey))
	return fmt.Sprintf("%s serves link name %s on no host; start it with: weft provider start %s%s", name,
		to.LinkName.OrDefault(), name, linkFlag(to.LinkName.OrDefault()))
}

// Streams reports whether a call would reach a provider that is known to take a body beside it.
func (c *Calls) Streams(from *Caller, link lattice.LinkName, contract lattice.ContractID) bool {
	to, _, route, err := c.resolve(from, link, contract)
	return err == nil && !to.IsActor() && c.cfg.Streams(to, route)
}

// out makes a call, and makes it again when no server was there to begin it, unless it has a body that is read but
// once. It waits as long as the actor's own caller. When that did not say how long, it waits for the RPC timeout, or
// for an answer that may be a stream as long as the actor itself may.
func (c *Calls) out(ctx context.Context, call rpc.Call, route wire.Route) ([]byte, error) {
	if call.Once() {
		return c.once(ctx, call, route)
	}
	if call.Stream == nil && invocation.Patient(ctx) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.RPCTimeout)
		defer cancel()
	}
	return rpc.Persist(ctx, func() ([]byte, error) { return c.once(ctx, call, route) })
}

// once makes a call on this host where it can be, else over NATS.
func (c *Calls) once(ctx context.Context, call rpc.Call, route wire.Route) ([]byte, error) {
	return peer.Route(route, &call,
		func(stay bool) ([]byte, error, bool) { return c.cfg.Here(ctx, call, stay) },
		func() ([]byte, error) { return c.cfg.Client.Call(ctx, call) })
}

// resolve finds the entity that a guest means; target is its name for metrics. A link to a provider needs the
// capability in the actor's claims, checked at each call, since a link is made by an operator and the claims by who
// signed the module: both have to agree. Calls between actors need none in the wire dialect. Texts of refusals begin as
// those of the dialect's hosts do; people search for them.
func (c *Calls) resolve(from *Caller, binding lattice.LinkName, contract lattice.ContractID) (to wire.Entity,
	target string, route wire.Route, err error) {
	binding, namespace := binding.OrDefault(), string(contract)
	if link, ok := c.cfg.State.Find(from.ID, contract, binding); ok {
		if id, ok := link.Actor(); ok { // as those by key and by alias, the link needs no capability
			route, err := link.Route()
			return wire.ActorEntity(id), "actor", route, err
		}
		to := wire.ProviderEntity(link.ProviderID, link.ContractID, link.LinkName)
		route, _ := link.Route() // the provider says when the value is no route
		return to, c.cfg.State.ProviderName(link.ProviderID), route, RequireCapability(from.Claims, contract)
	}
	if id, err := lattice.ParseActorID(namespace); err == nil {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if id, ok := c.cfg.State.Alias(namespace); ok {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if id, ok := c.cfg.State.ByRef(namespace); ok {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if contract.IsInterface() { // which actors serve
		return to, "", route, &lattice.Error{Code: lattice.ErrUnlinked,
			Detail: fmt.Sprintf("for %s on lattice %s, link name %s; make one with: weft link put %s ACTOR %s%s",
				namespace, c.cfg.Lattice, binding, from.typed(), namespace, linkFlag(binding))}
	}
	if strings.Contains(namespace, ":") { // the form of a contract
		if err := RequireCapability(from.Claims, contract); err != nil {
			return to, "", route, err
		}
		return to, "", route, &lattice.Error{Code: lattice.ErrUnlinked,
			Detail: fmt.Sprintf("for %s on lattice %s, link name %s; make one with: weft link put %s PROVIDER%s",
				namespace, c.cfg.Lattice, binding, from.typed(), linkFlag(binding))}
	}
	return to, "", route, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(namespace),
		Detail: "Could not identify suitable target for invocation: no link, actor key or call alias"}
}

// linkFlag is the flag of commands that says a link name.
func linkFlag(name lattice.LinkName) string {
	if name == lattice.DefaultLink {
		return ""
	}
	return " --link-name " + string(name)
}

// RequireCapability checks that an actor's claims grant a contract.
func RequireCapability(claims *signing.ActorClaims, contract lattice.ContractID) error {
	if slices.Contains(claims.Caps, contract) {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrMissingCapability,
		Detail: fmt.Sprintf("for %s; actor does not have capability claim `%s`: sign it with --cap %s beside what it "+
			"has, or name that in its actor.yaml, and update it", contract, contract, contract)}
}

// builtin serves the contracts that every host of the dialect has inside, logging and random numbers. Their operations
// do not overlap, so the namespace is not looked at again.
func (c *Calls) builtin(ctx context.Context, from *Caller, operation string, payload []byte) ([]byte, error) {
	switch operation {
	case logging.WriteLog:
		entry, err := logging.DecodeEntry(payload)
		if err != nil {
			return nil, err
		}
		from.Log(ctx, entry.Level, entry.Text)
		return nil, nil
	case numbergen.GenerateGUID:
		return msgpack.EncodeStr(uuid.NewString()), nil
	case numbergen.Random32:
		return msgpack.EncodeUint(uint64(random32())), nil
	case numbergen.RandomInRange:
		r, err := numbergen.DecodeRange(payload)
		if err != nil {
			return nil, err
		}
		if r.Min > r.Max {
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: operation,
				Detail: fmt.Sprintf("min %d is above max %d", r.Min, r.Max)}
		}
		return msgpack.EncodeUint(uint64(r.Min) + random(uint64(r.Max)-uint64(r.Min)+1)), nil
	}
	return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(operation),
		Detail: "no such builtin operation"}
}

// ownLinks tells a guest of its own links.
func (c *Calls) ownLinks(from *Caller, operation string, payload []byte) ([]byte, error) {
	switch operation {
	case ownlinks.Check:
		q, err := ownlinks.DecodeCheckRequest(payload)
		if err != nil {
			return nil, err
		}
		link, _ := c.cfg.State.Find(from.ID, q.Contract, q.Link.OrDefault())
		return msgpack.EncodeStr(string(link.ProviderID)), nil
	case ownlinks.Config:
		config := c.cfg.State.Config(from.ID)
		list := make([]string, 0, 2*len(config))
		for _, name := range slices.Sorted(maps.Keys(config)) {
			list = append(list, name, config[name])
		}
		return msgpack.EncodeStrs(list), nil
	}
	return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(operation),
		Detail: "no such builtin operation"}
}

// random returns a number below n, for n up to 2^32. The modulo prefers small numbers by less than 2^-32, too little to
// be measured. Guests use these for tokens, so they come from the system's generator.
func random(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]) % n
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}
