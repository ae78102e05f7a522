// Package sockets is wasi:sockets, which adapters ask for. Guests have no sockets: what makes one answers
// access-denied,
// so that no other function is ever called.
package sockets

import (
	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
)

// Family is all of wasi:sockets.
var Family = face.Family{Absent: "guests have no sockets", Functions: map[string]map[string]face.Func{
	"wasi:sockets/instance-network@0.2":  instanceNetwork,
	"wasi:sockets/tcp-create-socket@0.2": createTCP,
	"wasi:sockets/udp-create-socket@0.2": createUDP,
	"wasi:sockets/ip-name-lookup@0.2":    nameLookup,
}}

var socketDenied = face.Bad(abi.Variant{Case: 1})

type network struct{}

var (
	instanceNetwork = map[string]face.Func{"instance-network": {Call: func(*face.Call, []any) (any, error) {
		return face.Rep(&network{}), nil
	}}}
	createTCP  = map[string]face.Func{"create-tcp-socket": face.Constant(socketDenied)}
	createUDP  = map[string]face.Func{"create-udp-socket": face.Constant(socketDenied)}
	nameLookup = map[string]face.Func{"resolve-addresses": face.Constant(socketDenied)}
)
