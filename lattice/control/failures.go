package control

import (
	"context"
	"math"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// FailuresRequest asks a host for the failed calls that it remembers (weft). Zero fields leave nothing out.
type FailuresRequest struct {
	ActorID  lattice.ActorID `json:"actor_id,omitempty"`
	TraceID  string          `json:"trace_id,omitempty"`   // or the beginning of it
	MaxAgeMs uint64          `json:"max_age_ms,omitempty"` // by the host's clock
	After    uint64          `json:"after,omitempty"`      // those with a greater number only
}

// FailuresReply answers it, oldest first. The oldest are left out where they do not fit into a message.
type FailuresReply struct {
	Failures []wire.Failure `json:"failures"`
	Last     uint64         `json:"last"` // number of the newest that the host has, asked for or not
}

// UnmarshalJSON reads what clients of all times send; it is tolerant as the package says.
func (r *FailuresRequest) UnmarshalJSON(data []byte) error {
	o := readObject(data)
	*r = FailuresRequest{TraceID: o.str("trace_id")}
	r.MaxAgeMs, _ = o.uint(math.MaxUint64, "max_age_ms")
	r.After, _ = o.uint(math.MaxUint64, "after")
	if id := o.str("actor_id"); id != "" {
		var err error
		r.ActorID, err = lattice.ParseActorID(id)
		o.check("actor_id", err)
	}
	return o.err("request for failures")
}

// Failures asks a host for the failed calls that it remembers. Only weft's hosts know it; others are
// lattice.ErrNoResponders.
func (c *Client) Failures(ctx context.Context, host lattice.HostID, r FailuresRequest) (FailuresReply, error) {
	var reply FailuresReply
	err := c.query(ctx, "get errors of "+string(host), c.control.Failures(host), r, &reply)
	return reply, err
}
