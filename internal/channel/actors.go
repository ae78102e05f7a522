package channel

import (
	"github.com/weftlattice/weft/lattice"
)

// A provider asks its host once, over one of its connections, which actors are served there, and is then told every
// change. So it knows without asking which calls can stay on the host.

// WantActors is the notice with which a provider asks.
const WantActors = "actors?"

// Change is what notices tell of actors.
type Change byte

// Changes of actors. A provider that has not asked for streams hears of no Stream.
const (
	Come   Change = '+' // they are served
	Stream Change = '*' // they are served, and take streams
	Gone   Change = '-' // they are not served any more
)

// EncodeActors returns the notices that tell of a change of actors.
func EncodeActors(what Change, ids []lattice.ActorID) (notices [][]byte) {
	const most = (MaxNotice - 1) / lattice.KeyLength
	for len(ids) > 0 {
		n := min(most, len(ids))
		b := append(make([]byte, 0, 1+n*lattice.KeyLength), byte(what))
		for _, id := range ids[:n] {
			b = append(b, id...)
		}
		notices = append(notices, b)
		ids = ids[n:]
	}
	return notices
}

// DecodeActors reads such a notice; false when the message is another one.
func DecodeActors(b []byte) (what Change, ids []lattice.ActorID, ok bool) {
	if len(b) < 1 || (len(b)-1)%lattice.KeyLength != 0 {
		return 0, nil, false
	}
	switch what = Change(b[0]); what {
	case Come, Stream, Gone:
	default:
		return 0, nil, false
	}
	for b = b[1:]; len(b) > 0; b = b[lattice.KeyLength:] {
		ids = append(ids, lattice.ActorID(b[:lattice.KeyLength]))
	}
	return what, ids, true
}
