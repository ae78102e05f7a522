// Package http is wasi:http: what a guest answers, and what it asks others for.
package http

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// Family is all of wasi:http.
var Family = face.Family{
	Functions: map[string]map[string]face.Func{
		"wasi:http/types@0.2": face.Join(errorCodes, fieldsResource, exchanges,
			incomingBodies, outgoingBodies, outgoingRequests),
		"wasi:http/outgoing-handler@0.2": outgoingHandler,
	}, Contracts: map[string]lattice.ContractID{
		"wasi:http/incoming-handler@0.2": httpserver.ID,
		"wasi:http/outgoing-handler@0.2": httpclient.ID,
	}}

// methods are the cases of wasi:http's method, before "other".
var methods = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func methodOf(m string) any {
	for i, known := range methods {
		if m == known {
			return abi.Case(uint32(i))
		}
	}
	return abi.Variant{Case: uint32(len(methods)), Value: m}
}

func scheme(s string) any {
	switch s {
	case "":
		return face.None
	case "http":
		return face.Some(abi.Case(0))
	case "https":
		return face.Some(abi.Case(1))
	}
	return face.Some(abi.Variant{Case: 2, Value: s})
}

func optional(c *face.Call, s string) any {
	if s == "" {
		return face.None
	}
	return c.Some(c.Text(s))
}

func committing(f face.Func) face.Func {
	f.Commits = true
	return f
}
