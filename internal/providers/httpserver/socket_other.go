//go:build !linux

package httpserver

import (
	"context"
	"net"

	"github.com/weftlattice/weft/internal/netaddr"
)

// listenBeside fails where the system wants one socket to be closed before the other is opened: the link then stays
// where it was.
func listenBeside(ctx context.Context, address string, _ socket) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, netaddr.Network(address), address)
}
