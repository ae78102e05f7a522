//go:build !unix

package channel

import "net"

// direct writes to a socket without waiting; here is no way to do so.
type direct struct{}

func newDirect(net.Conn) *direct { return nil }

func (*direct) write([]byte) (int, error) { return 0, nil }
