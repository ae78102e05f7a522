package operate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/event"
)

// job is one command to one host: how to send it, and how to see in an event what became of it.
type job struct {
	host lattice.HostID
	name string // friendly
	send func(context.Context) error
	// settled looks at an event of the host and tells whether it is the outcome, and which.
	settled func(event.Data) (bool, error)
}

// run sends the jobs and waits until each is settled, or only until each is accepted. A host that ends meanwhile, or
// says nothing until ctx ends, has failed.
func (l *Lattice) run(ctx context.Context, jobs []job) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	begin := time.Now()
	events, err := event.Subscribe(ctx, l.nc, l.Name())
	if err != nil {
		return err
	}
	defer events.Close()
	var out outcomes
	waiting := map[lattice.HostID][]job{}
	for _, j := range jobs {
		err := l.accepted(ctx, j.send)
		if err != nil || l.cfg.NoWait {
			out.add(j.name, err)
			continue
		}
		waiting[j.host] = append(waiting[j.host], j)
	}
	for len(waiting) > 0 {
		e, err := events.Next(ctx)
		if lattice.CodeOf(err) == lattice.ErrBusy {
			continue // events were lost; the one we wait for may yet come
		}
		if err != nil {
			for _, list := range waiting {
				for _, j := range list {
					out.add(j.name, unsettled(err, time.Since(begin)))
				}
			}
			break
		}
		if list := waiting[e.HostID()]; len(list) > 0 {
			if list = l.settle(&out, list, e, begin); len(list) > 0 {
				waiting[e.HostID()] = list
			} else {
				delete(waiting, e.HostID())
			}
		}
	}
	return out.err()
}

// accepted sends a command. A host answers at once or not at all.
func (l *Lattice) accepted(ctx context.Context, send func(context.Context) error) error {
	const reply = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, reply)
	defer cancel()
	return send(ctx)
}

// settle shows an event to the jobs of its host and returns those that still wait.
func (l *Lattice) settle(out *outcomes, list []job, e event.Event, begin time.Time) []job {
	data, err := e.Decode()
	if err != nil {
		return list
	}
	var left []job
	for _, j := range list {
		done, err := j.settled(data)
		if stopped, ok := data.(event.HostStopped); ok && !done {
			done, err = true, &lattice.Error{Code: lattice.ErrUnavailable, Op: "wait for", Entity: j.name,
				Detail: strings.TrimSpace("the host has stopped " + stopped.Reason)}
		}
		if !done {
			left = append(left, j)
			continue
		}
		if err == nil {
			l.step(fmt.Sprintf("done after %s", time.Since(begin).Round(time.Millisecond)), j.name)
		}
		out.add(j.name, err)
	}
	return left
}

// unsettled says of a wait that ran out that the command itself was accepted.
func unsettled(err error, after time.Duration) error {
	if lattice.CodeOf(err) != lattice.ErrTimeout {
		return err
	}
	return &lattice.Error{Code: lattice.ErrTimeout, Op: "wait for the outcome",
		Detail: fmt.Sprintf("none within %s; it may still come", after.Round(time.Millisecond))}
}

// reported is an error that an event or a provider tells: its text as it came, and its code.
type reported struct {
	code lattice.Code
	text string
}

func (e *reported) Error() string { return e.text }
func (e *reported) Unwrap() error { return &lattice.Error{Code: e.code, Remote: true} }

// told is the error that others tell. Those that are not weft name no code: lattice.ErrGuest.
func told(code, text string) error { return &reported{lattice.FromWire(code, text).Code, text} }
