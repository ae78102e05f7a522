package wire

import (
	"encoding/json"

	"github.com/weftlattice/weft/lattice"
)

// Beat is a host's sign of life, sent each second on subject.Beat as JSON (weft). Whoever misses a few knows that the
// host is gone or cut off.
type Beat struct {
	HostID   string `json:"host_id"`
	Sequence uint64 `json:"seq"` // counts from 1 since the host was started
	UptimeMS uint64 `json:"uptime_ms"`
	Draining bool   `json:"draining,omitempty"` // takes no new work
}

// Encode returns the beat as JSON.
func (b Beat) Encode() []byte {
	raw, err := json.Marshal(b)
	if err != nil {
		panic(err) // unreachable: strings and numbers always marshal
	}
	return raw
}

// DecodeBeat reads a beat. Malformed bytes are lattice.ErrInvalid.
func DecodeBeat(b []byte) (Beat, error) {
	var beat Beat
	if err := json.Unmarshal(b, &beat); err != nil || !lattice.IsKey(beat.HostID, 'N') {
		return Beat{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode beat", Err: err}
	}
	return beat, nil
}
