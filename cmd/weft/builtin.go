package main

import (
	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

type builtin struct {
	name, contract, about string
	storage               bool // keeps its data in JetStream
}

// builtins are the providers that come with weft, by the name that they are started by.
var builtins = []builtin{
	{"httpserver", "wasmcloud:httpserver", "an HTTP server that calls actors", false},
	{"keyvalue-redis", "wasmcloud:keyvalue", "key-value storage in Redis", false},
	{"keyvalue-nats", "wasmcloud:keyvalue", "key-value storage in NATS JetStream", true},
}

// builtinID is the same on every machine, so that links to built-in providers hold everywhere.
func builtinID(name string) lattice.ProviderID {
	return lattice.ProviderID(signing.Derive(signing.KindProvider, "weft builtin "+name).Public())
}

func builtinNames() []operate.Builtin {
	var out []operate.Builtin
	for _, b := range builtins {
		out = append(out, operate.Builtin{Name: b.name, ID: builtinID(b.name), ContractID: b.contract})
	}
	return out
}
