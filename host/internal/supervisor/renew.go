package supervisor

import (
	"context"
	"errors"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// ErrDeaf says that a child reads only the first line of its standard input.
var ErrDeaf = errors.New("it takes nothing in after its first line")

// Tell writes a further line to the standard input of the child that is ready, and returns the one of Spec.Answers that
// it prints on standard output next. A child that got ready by other means than Spec.ReadyLine does not listen:
// ErrDeaf. Without a ready child the error is lattice.ErrUnavailable; ctx bounds the wait. Calls must not overlap.
func (p *Process) Tell(ctx context.Context, line []byte) (string, error) {
	p.mu.Lock()
	c, phase := p.child, p.state.Phase
	p.mu.Unlock()
	unavailable := func(detail string) error {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "tell", Entity: p.spec.Path, Detail: detail}
	}
	if phase != Ready || c == nil {
		return "", unavailable("it is not ready")
	}
	select {
	case <-c.readyLine:
	default:
		return "", ErrDeaf
	}
	select {
	case <-c.answers: // to what somebody has given up on
	default:
	}
	if end, ok := ctx.Deadline(); ok {
		_ = c.stdin.SetWriteDeadline(end) // a pipe that the child does not read is full some time
		defer func() { _ = c.stdin.SetWriteDeadline(time.Time{}) }()
	}
	if _, err := c.stdin.Write(line); err != nil {
		return "", unavailable("its standard input: " + err.Error())
	}
	select {
	case answer := <-c.answers:
		return answer, nil
	case <-c.exited:
		return "", unavailable("it ended: " + c.reason())
	case <-ctx.Done():
		return "", &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "tell", Entity: p.spec.Path,
			Detail: "it did not say that it has heard"}
	}
}

// renewal is a wish to start anew at once.
type renewal struct {
	reason string
	done   chan error // gets one value
}

func (r *renewal) Error() string { return r.reason }

// Renew ends the child as Stop does and starts a new one at once: it counts as no failure. It returns when the new one
// is ready, or with the reason why it is not; then further ones are tried after the usual back-off. A process that is
// not ready is left alone: its next child is a new one anyway, and the error is lattice.ErrUnavailable.
func (p *Process) Renew(ctx context.Context, reason string) error {
	r := &renewal{reason, make(chan error, 1)}
	if p.State().Phase != Ready {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "start anew", Entity: p.spec.Path,
			Detail: "it is not ready"}
	}
	var err error
	select {
	case p.renew <- r:
		select {
		case err = <-r.done:
		case <-p.done:
			err = errStop
		case <-ctx.Done():
			err = ctx.Err()
		}
	case <-p.done:
		err = errStop
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil {
		return nil
	}
	return &lattice.Error{Code: lattice.CodeOf(err), Op: "start anew", Entity: p.spec.Path, Err: err}
}
