package control

import (
	"context"
	"math"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// LogLine is one line that an actor has logged. Hosts buffer the last ones and stream each on subject.Log.
type LogLine struct {
	Time    time.Time       `json:"time"`
	HostID  lattice.HostID  `json:"host_id"`
	ActorID lattice.ActorID `json:"actor_id"`
	Level   string          `json:"level"` // "debug", "info", "warn" or "error"
	Text    string          `json:"text"`
	TraceID string          `json:"trace_id,omitempty"`
}

// LogsReply answers a LogsRequest, oldest line first.
type LogsReply struct {
	Lines []LogLine `json:"lines"`
}

// decodeLogLine reads a streamed line.
func decodeLogLine(b []byte) (LogLine, error) {
	o := readObject(b)
	l := LogLine{HostID: lattice.HostID(o.str("host_id")), ActorID: lattice.ActorID(o.str("actor_id")),
		Level: o.str("level"), Text: o.str("text"), TraceID: o.str("trace_id")}
	if t := o.str("time"); t != "" {
		var err error
		if l.Time, err = time.Parse(time.RFC3339Nano, t); err != nil {
			o.bad("time: want RFC 3339")
		}
	}
	return l, o.err("log line")
}

// UnmarshalJSON reads a streamed line. A time that is not RFC 3339 is lattice.ErrInvalid.
func (l *LogLine) UnmarshalJSON(b []byte) error {
	got, err := decodeLogLine(b)
	*l = got
	return err
}

// Logs returns the last lines that a host has of an actor, oldest first; lines 0 asks for all. A host leaves out the
// oldest ones when the reply would not fit into a message.
func (c *Client) Logs(ctx context.Context, host lattice.HostID, actor lattice.ActorID, lines int) ([]LogLine, error) {
	var r LogsReply
	req := LogsRequest{Lines: max(0, min(lines, math.MaxInt32))}
	err := c.query(ctx, "get logs of "+string(actor), c.control.Logs(host, actor), req, &r)
	return r.Lines, err
}

// FollowLogs calls handle for each line that any host streams of an actor, until ctx ends; it then returns nil when
// handle is no longer running. handle is called for one line at a time and should be quick. started, when not nil, is
// called once the subscription is known to the server. lost is told how many lines were dropped, when handle was too
// slow for more than 1024 of them. Lines that cannot be read are left out.
func (c *Client) FollowLogs(ctx context.Context, actor lattice.ActorID, started func(), handle func(LogLine),
	lost func(int)) error {
	msgs := make(chan *nats.Msg, 1024)
	sub, err := c.nc.ChanSubscribe(subject.Log(c.control.Lattice, actor), msgs)
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "follow logs of", Entity: string(actor), Err: err}
	}
	defer func() { _ = sub.Unsubscribe() }()
	flush, cancel := c.bound(ctx)
	err = c.nc.FlushWithContext(flush)
	cancel()
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "follow logs of", Entity: string(actor), Err: err}
	}
	if started != nil {
		started()
	}
	dropped := 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-msgs:
			if n, err := sub.Dropped(); err == nil && n > dropped {
				lost(n - dropped)
				dropped = n
			}
			if l, err := decodeLogLine(m.Data); err == nil {
				handle(l)
			}
		}
	}
}
