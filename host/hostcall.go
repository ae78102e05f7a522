package host

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/invocation"
	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/internal/peer"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/contract/numbergen"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/wire"
)

// HostCall serves a call that a guest of this version makes. HostCall finds the target in this order: a builtin
// contract, a link of the actor for (contract, link name), an actor's key, a call alias, the reference from which an
// actor was started.
func (v *version) HostCall(ctx context.Context, binding, namespace, operation string, payload []byte) ([]byte, error) {
	start, link := time.Now(), lattice.LinkName(binding)
	target, result, err := v.hostCall(ctx, link, namespace, operation, payload)
	v.actor.host.metrics.Called(string(v.actor.id), target, operation, time.Since(start), err)
	if err != nil {
		v.actor.host.failures.Called(ctx, wire.Failure{ActorID: v.actor.id, Operation: operation, Target: target, Contract: namespace, LinkName: link}, err)
	}
	return result, err
}

func (v *version) hostCall(ctx context.Context, binding lattice.LinkName, namespace, operation string, payload []byte) (target string, _ []byte, err error) {
	h := v.actor.host
	switch namespace {
	case logging.ID, numbergen.ID:
		if err := v.requireCapability(namespace); err != nil {
			return namespace, nil, err
		}
		result, err := v.builtin(ctx, operation, payload)
		return namespace, result, err
	}
	channel.Yield(ctx) // it waits, and others should not wait with it
	to, target, route, err := v.resolve(binding, namespace)
	if err != nil {
		return "none", nil, err
	}
	if err := h.policy.CallOut(ctx, v.claims, to, operation); err != nil {
		return target, nil, err
	}
	result, err := h.callOut(ctx, rpc.Call{Origin: wire.ActorEntity(v.actor.id), Target: to, Operation: operation, Payload: payload}, route)
	return target, result, err
}

// callOut makes a call, and makes it again when no server was there to begin it. It waits as long as the actor's own
// caller, or the RPC timeout when that did not say how long.
func (h *Host) callOut(ctx context.Context, call rpc.Call, route wire.Route) ([]byte, error) {
	if invocation.Patient(ctx) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.cfg.RPCTimeout)
		defer cancel()
	}
	return rpc.Persist(ctx, func() ([]byte, error) { return h.callOnce(ctx, call, route) })
}

// callOnce makes a call on this host where it can be, else over NATS.
func (h *Host) callOnce(ctx context.Context, call rpc.Call, route wire.Route) ([]byte, error) {
	return peer.Route(route, &call,
		func(stay bool) ([]byte, error, bool) { return h.callLocal(ctx, call, stay) },
		func() ([]byte, error) { return h.peer.Client.Call(ctx, call) })
}

// resolve finds the entity that a guest means; target is its name for metrics.
func (v *version) resolve(binding lattice.LinkName, namespace string) (to wire.Entity, target string, route wire.Route, err error) {
	h := v.actor.host
	binding = binding.OrDefault()
	if link, ok := h.state.Find(v.actor.id, namespace, binding); ok {
		to := wire.ProviderEntity(link.ProviderID, link.ContractID, link.LinkName)
		route, _ := link.Route() // the provider says when the value is no route
		return to, h.state.ProviderName(link.ProviderID), route, v.requireCapability(namespace)
	}
	if id, err := lattice.ParseActorID(namespace); err == nil {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if id, ok := h.state.Alias(namespace); ok {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if id, ok := h.state.ByRef(namespace); ok {
		return wire.ActorEntity(id), "actor", wire.PreferLocal, nil
	}
	if strings.Contains(namespace, ":") { // the form of a contract
		if err := v.requireCapability(namespace); err != nil {
			return to, "", route, err
		}
		return to, "", route, &lattice.Error{Code: lattice.ErrUnlinked,
			Detail: fmt.Sprintf("for %s on %s, link name %s; make one with: weft link put %s PROVIDER", namespace, h.cfg.Lattice, binding, v.actor.id)}
	}
	return to, "", route, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(namespace),
		Detail: "Could not identify suitable target for invocation: no link, actor key or call alias"}
}

// requireCapability checks that the actor's claims grant a contract.
func (v *version) requireCapability(contract string) error {
	if slices.Contains(v.claims.Caps, contract) {
		return nil
	}
	return &lattice.Error{Code: lattice.ErrMissingCapability,
		Detail: fmt.Sprintf("for %s; actor does not have capability claim `%s`", contract, contract)}
}

func (v *version) builtin(ctx context.Context, operation string, payload []byte) ([]byte, error) {
	switch operation {
	case logging.WriteLog:
		entry, err := logging.DecodeEntry(payload)
		if err != nil {
			return nil, err
		}
		v.actor.log.write(ctx, entry.Level, entry.Text)
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
			return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: operation, Detail: fmt.Sprintf("min %d is above max %d", r.Min, r.Max)}
		}
		return msgpack.EncodeUint(uint64(r.Min) + random(uint64(r.Max)-uint64(r.Min)+1)), nil
	}
	return nil, &lattice.Error{Code: lattice.ErrNotFound, Op: "call", Entity: lattice.Printable(operation), Detail: "no such builtin operation"}
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint32(b[:])
}

// random returns a number below n, for n up to 2^32, with a modulo bias too small to be measured.
func random(n uint64) uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:]) % n
}

// Reserve makes room for a large response. See load.Budget.
func (v *version) Reserve(ctx context.Context, bytes int) error { return load.Reserve(ctx, bytes) }

// Spent counts fuel.
func (v *version) Spent(fuel uint64) { v.fuel.Add(float64(fuel)) }

// Log takes what a guest prints through the ABI or its standard streams.
func (v *version) Log(ctx context.Context, source wasm.Source, text string) {
	level := "info"
	if source == wasm.Stderr {
		level = "warn"
	}
	v.actor.log.write(ctx, level, text)
}
