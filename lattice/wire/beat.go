package wire

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Beat is a host's sign of life, sent each second on subject.Beat as JSON (weft). Whoever misses a few knows that the
// host is gone or cut off.
type Beat struct {
	HostID   lattice.HostID `json:"host_id"`
	Sequence uint64         `json:"seq"` // counts from 1 since the host was started
	UptimeMS uint64         `json:"uptime_ms"`
	Draining bool           `json:"draining,omitempty"` // takes no new work
	// EndsInMS says that the host is ending, and within how many milliseconds it is gone; no further beats need to
	// come. 0: it stays.
	EndsInMS uint64 `json:"ends_in_ms,omitempty"`
	// Sent is when it was sent, by the clock of the host's machine; nil where it has none. See rpc.Directory.
	Sent *Stamp `json:"sent,omitempty"`
	// Direct is how to call the host by itself; nil where that cannot be done.
	Direct *Direct `json:"direct,omitempty"`
}

// DirectVersion is the version of direct calls that this package describes: invocations for any target that the host
// serves, on subject.Host and subject.ProviderAt, with a MAC of version 1 or a signature.
const DirectVersion = 1

// Direct says what other weft nodes must know to call a host by itself. See RATIONALE.md, "Why do nodes choose the
// host?".
type Direct struct {
	Version  int               `json:"v"`        // others than DirectVersion are to be ignored
	Issuer   lattice.ClusterID `json:"issuer"`   // the cluster key for which MACs are to be made
	Load     uint32            `json:"load"`     // calls in progress or waiting
	Capacity uint32            `json:"capacity"` // calls that can be in progress without waiting
	// revision of the set of targets that it serves; ask for the set when it changes
	Served   uint64 `json:"served"`
	PeriodMS uint32 `json:"period_ms"` // of the beats
	// Timeout says that the host reads Invocation.Timeout, so that calls to its actors need no headers.
	Timeout bool `json:"timeout,omitempty"`
	// Sent says that the host reads Invocation.Sent.
	Sent bool `json:"sent,omitempty"`
	// Streams says that the host reads frames of streams; see Served.Streams.
	Streams bool `json:"streams,omitempty"`
}

// Served is what a host serves at some revision.
type Served struct {
	Revision uint64 `json:"revision"`
	// an actor's key, or a provider's key and link name with a slash between
	Targets []string `json:"targets"`
	// those of Targets that take streams beside their calls, and answer by streams
	Streams  []string `json:"streams,omitempty"`
	EndsInMS uint64   `json:"ends_in_ms,omitempty"` // as Beat.EndsInMS
}

// ServedName is how Served spells an entity.
func ServedName(e Entity) string {
	if e.LinkName == "" {
		return e.PublicKey
	}
	return e.PublicKey + "/" + string(e.LinkName)
}

// maxServed keeps a set within one message. What is beyond it is found by the queue groups.
const maxServed = 8192

// Encode returns the set as JSON.
func (s Served) Encode() []byte {
	s.Targets = s.Targets[:min(len(s.Targets), maxServed)]
	s.Streams = s.Streams[:min(len(s.Streams), maxServed)]
	return encodeJSON(s)
}

// DecodeServed reads a set. Targets that are none are left out. Malformed bytes are lattice.ErrInvalid.
func DecodeServed(b []byte) (revision uint64, targets []Entity, err error) {
	var s Served
	if err := json.Unmarshal(b, &s); err != nil || len(s.Targets) > maxServed {
		return 0, nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode what a host serves", Err: err}
	}
	for _, t := range s.Targets {
		key, link, _ := strings.Cut(t, "/")
		if lattice.IsKey(key, 'M') && link == "" || lattice.IsKey(key, 'V') && link != "" {
			targets = append(targets, Entity{PublicKey: key, LinkName: lattice.LinkName(link)})
		}
	}
	return s.Revision, targets, nil
}

// ServedStreams are those of a set that take streams.
func ServedStreams(b []byte) map[Entity]bool {
	var s Served
	if json.Unmarshal(b, &s) != nil || len(s.Streams) > maxServed {
		return nil
	}
	all := make(map[Entity]bool, len(s.Streams))
	for _, t := range s.Streams {
		key, link, _ := strings.Cut(t, "/")
		all[Entity{PublicKey: key, LinkName: lattice.LinkName(link)}] = true
	}
	return all
}

// ServedEnds is within which time the host that has sent a set is gone; 0 where it stays, or the bytes are malformed.
// It is an hour at most.
func ServedEnds(b []byte) time.Duration {
	var s Served
	if json.Unmarshal(b, &s) != nil {
		return 0
	}
	return ends(s.EndsInMS)
}

func ends(ms uint64) time.Duration {
	return time.Duration(min(ms, uint64(time.Hour/time.Millisecond))) * time.Millisecond
}

// EndsIn is within which time the host is gone, as EndsInMS says; an hour at most.
func (b Beat) EndsIn() time.Duration { return ends(b.EndsInMS) }

// defaultPeriod is that of beats where a host does not say it.
const defaultPeriod = time.Second

// Period is how often the host sends beats.
func (b Beat) Period() time.Duration {
	if b.Direct != nil && b.Direct.PeriodMS > 0 && b.Direct.PeriodMS < uint32(time.Hour/time.Millisecond) {
		return time.Duration(b.Direct.PeriodMS) * time.Millisecond
	}
	return defaultPeriod
}

// Encode returns the beat as JSON.
func (b Beat) Encode() []byte { return encodeJSON(b) }

func encodeJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // unreachable: strings and numbers always marshal
	}
	return raw
}

// DecodeBeat reads a beat. Malformed bytes are lattice.ErrInvalid.
func DecodeBeat(b []byte) (Beat, error) {
	var beat Beat
	if err := json.Unmarshal(b, &beat); err != nil || beat.HostID.Check() != nil {
		return Beat{}, &lattice.Error{Code: lattice.ErrInvalid, Op: "decode beat", Err: err}
	}
	if beat.Direct != nil && beat.Direct.Version != DirectVersion {
		beat.Direct = nil
	}
	return beat, nil
}
