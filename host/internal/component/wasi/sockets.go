package wasi

import "github.com/weftlattice/weft/host/internal/component/abi"

// Guests have no sockets. What makes one answers access-denied, so that no other function is ever called.
var socketDenied = bad(abi.Variant{Case: 1})

type network struct{}

var (
	instanceNetwork = map[string]Func{"instance-network": {Little,
		func(*Call, []any) (any, error) { return rep(&network{}), nil }}}
	createTCP  = map[string]Func{"create-tcp-socket": constant(socketDenied)}
	createUDP  = map[string]Func{"create-udp-socket": constant(socketDenied)}
	nameLookup = map[string]Func{"resolve-addresses": constant(socketDenied)}
)

// absent is a function of something that no guest can have.
func absent(name string) Func {
	return Func{Call: func(*Call, []any) (any, error) {
		return nil, abi.Trap("%s: guests have no files and no sockets",
			name)
	}}
}
