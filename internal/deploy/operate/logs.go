package operate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// KeptLogs returns what the hosts of a view keep of an actor's log, by time: at most n of the last lines of each host,
// or all when n is 0. What some hosts do not tell is an error only when none tells anything.
func (l *Lattice) KeptLogs(ctx context.Context, v *View, id lattice.ActorID, n int) ([]control.LogLine, error) {
	var all []control.LogLine
	err := l.keptLogs(ctx, v, id, n, func(line control.LogLine) { all = append(all, line) })
	slices.SortStableFunc(all, func(x, y control.LogLine) int { return x.Time.Compare(y.Time) })
	if len(all) > 0 {
		return all, nil
	}
	return nil, err
}

// keptLogs shows what each host keeps, one host after another, and joins the errors of hosts.
func (l *Lattice) keptLogs(ctx context.Context, v *View, id lattice.ActorID, n int, show func(control.LogLine)) error {
	var errs []error
	for _, on := range v.Running(id) {
		kept, err := l.ctl.Logs(ctx, on.Host.HostID, id, n)
		errs = append(errs, err)
		for _, line := range kept {
			show(line)
		}
	}
	return errors.Join(errs...)
}

// LogWatch says what FollowLogs shows of an actor's log. Actor and Show are required.
type LogWatch struct {
	Actor lattice.ActorID
	Kept  *View // show first what the hosts of this view keep; nil: only lines that come
	Lines int   // of that, at most so many of the last of each host; 0: all

	Show func(control.LogLine) error // called with one line at a time; an error ends the watch
	Lost func(n int)                 // lines that came too fast; nil: not told
	Gap  func(Gap)                   // times without a connection; nil: not told
}

// FollowLogs shows an actor's log until ctx ends, which is no error. Lines of several hosts come in the order of their
// times, as far as they come within 200 ms of each other. A line is shown once, though it is kept and comes.
func (l *Lattice) FollowLogs(ctx context.Context, w LogWatch) error {
	if w.Gap != nil {
		defer TellGaps(l.nc, w.Gap)()
	}
	stop, cancel := context.WithCancel(ctx)
	lines := make(chan control.LogLine)
	ended := make(chan error, 1)
	go func() { ended <- l.sendLogs(stop, w, lines) }()
	var order reorder
	tick := time.NewTicker(reorderWindow / 4)
	defer tick.Stop()
	for {
		var err error
		select {
		case line := <-lines:
			order.add(line, time.Now())
			continue
		case <-tick.C:
			err = w.showAll(order.due(time.Now()))
		case err = <-ended:
			cancel()
			err = errors.Join(w.showAll(order.all()), err)
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err != nil { // the output is not read any more
			cancel()
			<-ended
			return err
		}
	}
}

// sendLogs subscribes first, then sends what is kept, then what came meanwhile and comes.
func (l *Lattice) sendLogs(ctx context.Context, w LogWatch, lines chan<- control.LogLine) error {
	send := func(line control.LogLine) {
		select {
		case lines <- line:
		case <-ctx.Done():
		}
	}
	if w.Lost == nil {
		w.Lost = func(int) {}
	}
	seen := map[control.LogLine]int{}
	var keptErr error
	err := l.ctl.FollowLogs(ctx, w.Actor, func() {
		if w.Kept != nil {
			keptErr = l.keptLogs(ctx, w.Kept, w.Actor, w.Lines, func(line control.LogLine) { seen[line]++; send(line) })
		}
	}, func(line control.LogLine) {
		if seen[line] > 0 {
			seen[line]--
			return
		}
		send(line)
	}, w.Lost)
	return errors.Join(err, keptErr)
}

func (w LogWatch) showAll(lines []control.LogLine) error {
	for _, line := range lines {
		if err := w.Show(line); err != nil {
			return err
		}
	}
	return nil
}
