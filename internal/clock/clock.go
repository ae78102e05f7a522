// Package clock reads the clock that all processes of one machine share and that cannot be set: the time since the
// machine was started. Moments of it (wire.Stamp), unlike those of the wall clock, can be compared between processes of
// one machine. A process that learns the least time from the sending of a message to its arrival can compare them
// between machines, too.
package clock

import (
	"time"

	"github.com/weftlattice/weft/lattice/wire"
)

// ID tells this machine's clock from others: another machine, another start of it, another time namespace. It is 0
// where there is no such clock.
func ID() uint32 { return id }

// Now is the present moment by this machine's clock.
func Now() wire.Stamp {
	if id == 0 {
		return wire.Stamp{}
	}
	return wire.Stamp{Clock: id, Micros: uint64((offset + time.Since(epoch)).Microseconds())}
}

// epoch is a moment at which the machine's clock stood at offset.
var (
	id            uint32
	epoch, offset = time.Now(), time.Duration(0)
)
