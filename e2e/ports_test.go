package e2e

import (
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
)

// nextPort walks through ports below those that the system gives to outgoing connections, so that a port stays free for
// the server that is to be killed and started again on it.
var nextPort atomic.Int32

func init() { nextPort.Store(12000 + rand.Int32N(12000)) }

// freePort returns a port of the loopback address that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := int(nextPort.Add(1))
		if port >= 32000 {
			nextPort.CompareAndSwap(int32(port), 12000)
		}
		l, err := net.Listen("tcp", local(port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// local is the address of a port on loopback.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
