package subject

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// ProviderQueue is the queue group of every provider's invocation subject.
const ProviderQueue = "rpc"

const rpcRoot = "wasmbus.rpc."

// Actor is where invocations of an actor go. Every host that runs it subscribes with ActorQueue.
func Actor(l lattice.Name, id lattice.ActorID) string { // wasmbus.rpc.{lattice}.{M}
	return rpcRoot + string(l) + "." + string(id)
}

// ActorQueue is the queue group of an actor's subject: the subject itself.
func ActorQueue(l lattice.Name, id lattice.ActorID) string { return Actor(l, id) }

// Provider is where invocations of a provider go; its processes subscribe with ProviderQueue.
func Provider(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string { // wasmbus.rpc.{lattice}.{V}.{link}
	return rpcRoot + string(l) + "." + string(id) + "." + string(link)
}

// Host is where weft nodes send a host the invocations that they mean for it alone, of whatever actor it runs (weft).
func Host(l lattice.Name, host lattice.HostID) string { // wasmbus.rpc.{lattice}.{N}
	return rpcRoot + string(l) + "." + string(host)
}

// ProviderAt is where weft nodes send invocations for the process of a provider that one host runs (weft).
func ProviderAt(l lattice.Name, id lattice.ProviderID, link lattice.LinkName, host lattice.HostID) string {
	return Provider(l, id, link) + "." + string(host)
}

// LinkPut tells all processes of a provider of a link; it carries a link definition in msgpack.
func LinkPut(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".linkdefs.put"
}

// LinkCheck asks all weft processes of a provider whether they would take a link; it carries a link definition in
// msgpack (weft).
func LinkCheck(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".linkdefs.check"
}

// LinkDel tells all processes of a provider that a link is gone.
func LinkDel(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".linkdefs.del"
}

// Health asks all processes of a provider for their health.
func Health(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".health"
}

// Shutdown asks the process of a provider that the host in the payload started to end.
func Shutdown(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".shutdown"
}

// LinkStates asks all weft processes of a provider for their link tables, or, with an actor's key as data, for its link
// (weft).
func LinkStates(l lattice.Name, id lattice.ProviderID, link lattice.LinkName) string {
	return Provider(l, id, link) + ".links"
}

// ProviderMetrics asks the process of a provider that the given host started for its metrics (weft).
func ProviderMetrics(l lattice.Name, id lattice.ProviderID, link lattice.LinkName, host lattice.HostID) string {
	return Provider(l, id, link) + ".metrics." + string(host)
}

// RPC is a parsed subject of the invocation journey. One of Actor, Host and Provider is set. Verb is what follows the
// link name: "" for invocations, "linkdefs.put", "health", a host's key, ....
type RPC struct {
	Lattice  lattice.Name
	Actor    lattice.ActorID
	Host     lattice.HostID
	Provider lattice.ProviderID
	Link     lattice.LinkName
	Verb     string
}

// ParseRPC is the inverse of Actor, Host, Provider and the functions built on it. Anything else is lattice.ErrInvalid.
func ParseRPC(s string) (RPC, error) {
	bad := &lattice.Error{Code: lattice.ErrInvalid, Op: "parse subject", Entity: lattice.Printable(s)}
	rest, ok := strings.CutPrefix(s, rpcRoot)
	if !ok {
		return RPC{}, bad
	}
	t := strings.SplitN(rest, ".", 4)
	if len(t) < 2 {
		return RPC{}, bad
	}
	l, err := lattice.ParseName(t[0])
	if err != nil {
		return RPC{}, bad
	}
	if len(t) == 2 {
		if id, err := lattice.ParseHostID(t[1]); err == nil {
			return RPC{Lattice: l, Host: id}, nil
		}
		id, err := lattice.ParseActorID(t[1])
		if err != nil {
			return RPC{}, bad
		}
		return RPC{Lattice: l, Actor: id}, nil
	}
	id, err := lattice.ParseProviderID(t[1])
	if err != nil || t[2] == "" {
		return RPC{}, bad
	}
	link, err := lattice.ParseLinkName(t[2])
	if err != nil {
		return RPC{}, bad
	}
	r := RPC{Lattice: l, Provider: id, Link: link}
	if len(t) == 4 {
		if r.Verb = t[3]; r.Verb == "" {
			return RPC{}, bad
		}
	}
	return r, nil
}
