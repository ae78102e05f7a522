package subject

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
)

// Event is the general subject of lattice events.
func Event(l lattice.Name) string { return "wasmbus.evt." + string(l) } // wasmbus.evt.{lattice}

// EventTyped is the subject of one type of event; name is without the "com.wasmcloud.lattice." prefix.
func EventTyped(l lattice.Name, name string) string { return Event(l) + "." + name } // wasmbus.evt.{lattice}.{name}

// EventAll is a pattern that matches EventTyped for every name.
func EventAll(l lattice.Name) string { return Event(l) + ".*" }

// Events about hosts that hosts themselves hear, by their names without the prefix.
const (
	EventHostHeartbeat = "host_heartbeat"
	EventHostStopped   = "host_stopped"
	EventHostLost      = "host_lost" // weft
)

// HostEvents are the subjects of what hosts hear about each other, besides beats: what runs where, which hosts have
// ended, and which are gone without having ended.
func HostEvents(l lattice.Name) []string {
	return []string{EventTyped(l, EventHostHeartbeat), EventTyped(l, EventHostStopped), EventTyped(l, EventHostLost)}
}

// Beat is the subject of a host's liveness beat, sent once a second (weft).
func Beat(l lattice.Name, host lattice.HostID) string { // wasmbus.beat.{lattice}.{N}
	return "wasmbus.beat." + string(l) + "." + string(host)
}

// BeatAll is a pattern that matches the beats of all hosts.
func BeatAll(l lattice.Name) string { return "wasmbus.beat." + string(l) + ".*" }

// parseBeat is the inverse of Beat.
func parseBeat(s string) (lattice.Name, lattice.HostID, error) {
	t := strings.Split(s, ".")
	if len(t) == 4 && t[0] == "wasmbus" && t[1] == "beat" {
		l, err := lattice.ParseName(t[2])
		if err == nil {
			var h lattice.HostID
			if h, err = lattice.ParseHostID(t[3]); err == nil {
				return l, h, nil
			}
		}
	}
	return "", "", &lattice.Error{Code: lattice.ErrInvalid, Op: "parse subject", Entity: lattice.Printable(s)}
}

// Log is where hosts stream the log lines of an actor (weft).
func Log(l lattice.Name, actor lattice.ActorID) string { // wasmbus.log.{lattice}.{M}
	return "wasmbus.log." + string(l) + "." + string(actor)
}
