package channel

import (
	"github.com/weftlattice/weft/lattice"
)

// A provider asks its host once, over one of its connections, which actors are served there, and is then told every
// change. So it knows without asking which calls can stay on the host.

// WantActors is the notice with which a provider asks.
const WantActors = "actors?"

// EncodeActors returns the notices that tell which actors have come, or gone.
func EncodeActors(come bool, ids []lattice.ActorID) (notices [][]byte) {
	const most = (MaxNotice - 1) / lattice.KeyLength
	for len(ids) > 0 {
		n := min(most, len(ids))
		b := append(make([]byte, 0, 1+n*lattice.KeyLength), '-')
		if come {
			b[0] = '+'
		}
		for _, id := range ids[:n] {
			b = append(b, id...)
		}
		notices = append(notices, b)
		ids = ids[n:]
	}
	return notices
}

// DecodeActors reads such a notice; false when the message is another one.
func DecodeActors(b []byte) (come bool, ids []lattice.ActorID, ok bool) {
	if len(b) < 1 || b[0] != '+' && b[0] != '-' || (len(b)-1)%lattice.KeyLength != 0 {
		return false, nil, false
	}
	come = b[0] == '+'
	for b = b[1:]; len(b) > 0; b = b[lattice.KeyLength:] {
		ids = append(ids, lattice.ActorID(b[:lattice.KeyLength]))
	}
	return come, ids, true
}
