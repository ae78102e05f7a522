//go:build !unix

package http1

// Where sockets can not be looked at, net/http serves everything.
const canPeek = false

func (c *conn) gone() bool { return false }
