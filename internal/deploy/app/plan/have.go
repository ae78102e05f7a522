package plan

import (
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// Liveness says what is known of a host.
type Liveness byte

// What is known of hosts.
const (
	Alive    Liveness = iota
	Suspect           // its beats are late: it keeps what it has, and gets nothing new
	Draining          // it ends its work: what it has runs on for now, and must go elsewhere
	Lost              // what it had is gone, as far as can be known
)

// Host is a host as it is seen now.
type Host struct {
	ID       lattice.HostID
	Name     string
	Labels   map[string]string
	Liveness Liveness
	// Since is when it was first heard, or heard again after it had been lost. It has been heard ever since.
	Since time.Time
	// Losses is how often it was lost and came back lately. See Hold.
	Losses int
	Free   uint64              // bytes of memory; 0: not known, taken as enough
	Code   map[string]struct{} // digests of artifacts that it need not compile or fetch
	Load   int                 // things that run there, of all kinds
}

// Hold is how long a host that came back gets nothing new: HoldFirst, twice that after its second loss, and so on up
// to HoldMost.
func (h *Host) Hold() time.Duration {
	if h.Losses == 0 {
		return 0
	}
	return backoff.Policy{First: HoldFirst, Max: HoldMost}.Pause(h.Losses - 1)
}

// State says how far a thing on a host is.
type State byte

// How far a thing is.
const (
	Starting State = iota
	Running
	Failed // it runs no more, or never did, and the host does not try again by itself
)

// Present is a thing as it is on a host now.
type Present struct {
	Object
	Host   lattice.HostID
	Name   string // of the thing in the application, by its annotations
	Ref    string
	Digest string
	Spec   string
	Max    uint32 // most instances; 1 for a provider
	State  State
	Error  string // why it is Failed
}

// Have is what is observed of one application: the things that carry its annotations, and all links that matter to it.
type Have struct {
	Things []Present
	Links  []wire.LinkDefinition // all of the lattice that the application wants or owns
	// Owner tells which application a link belongs to; "": none, a person has put it.
	Owner func(LinkKey) string
}

// The times of planning.
const (
	HoldFirst  = 5 * time.Second
	HoldMost   = 5 * time.Minute
	FirstTry   = time.Second // wait after the first failure
	MaxBackOff = 5 * time.Minute
	// Settle is how long a command that was carried out may take to be seen. Then it is sent again.
	Settle = 15 * time.Second
)
