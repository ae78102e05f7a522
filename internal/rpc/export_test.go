package rpc

import (
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// SetClock gives a server another clock, before it serves.
func SetClock(s *Server, now func() time.Duration) { s.now = now }

// Knows reports whether a client would call an entity at a host by itself.
func Knows(c *Client, e wire.Entity, host lattice.HostID) bool {
	if s := c.cfg.Directory.find(e); s != nil {
		for _, x := range *s.hosts.Load() {
			if x.peer.host == host {
				return true
			}
		}
	}
	return false
}

// IssuerOf is the cluster key that a client makes MACs for, of the first host that serves an entity.
func IssuerOf(c *Client, e wire.Entity) string {
	return string((*c.cfg.Directory.find(e).hosts.Load())[0].peer.beat.Load().issuer)
}

// SetMoment gives a directory another clock of the machine, before it is used.
func SetMoment(d *Directory, now func() wire.Stamp) { d.moment = now }

// ReceiveFrame has a process without streams receive a frame.
func ReceiveFrame(b []byte) { NewStreams("l", "N", nil, nil).receive(b) }
