package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/weftlattice/weft/internal/guard"
	"github.com/weftlattice/weft/lattice"
)

// Streams are the standard streams of a run inside the host.
type Streams struct {
	In       io.Reader // has its end when the run is to end
	Out, Err io.Writer
}

// inside is a run that is no process but goroutines of this one.
type inside struct {
	cancel context.CancelFunc // says that it should end; nothing can make it
	err    error              // how it ended; written before the child's exited is closed
}

// startInside calls Spec.Run. Its streams are pipes as those of a process, so that its output, its host data and its
// end take the same ways.
func startInside(spec Spec) (*child, error) {
	in, out, errs, closeAll, err := pipes()
	if err != nil {
		closeAll()
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "start", Entity: spec.Path, Err: err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := newChild(in.w)
	c.inside = &inside{cancel: cancel}
	var relays sync.WaitGroup
	relays.Go(func() { c.feed(spec) })
	relays.Go(func() { newRelay(spec, c, out.r, false).run() })
	relays.Go(func() { newRelay(spec, c, errs.r, true).run() })
	go func() { // owned by whoever waits for exited
		defer close(c.exited)
		c.inside.err = guarded(ctx, spec, Streams{in.r, out.w, errs.w})
		cancel()
		c.endInput()
		_, _, _ = in.r.Close(), out.w.Close(), errs.w.Close()
		relays.Wait()
		_, _ = out.r.Close(), errs.r.Close()
	}()
	return c, nil
}

// guarded makes an error of a panic of the run's own goroutine. One of another goroutine ends the host, as Go wants it.
func guarded(ctx context.Context, spec Spec, s Streams) (err error) {
	defer func() {
		if p := recover(); p != nil {
			for line := range strings.Lines(fmt.Sprintf("panic: %v\n%s", p, debug.Stack())) {
				_, _ = io.WriteString(s.Err, line)
			}
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return spec.Run(ctx, s)
}

// outcome tells how a run inside the host ended.
func (i *inside) outcome() string {
	if i.err != nil {
		return i.err.Error()
	}
	return "it ended by itself"
}

// pipe is one with both of its ends.
type pipe struct{ r, w *os.File }

// pipes opens those of the three standard streams; closeAll closes all that are open.
func pipes() (in, out, errs pipe, closeAll func(), err error) {
	all := []*pipe{&in, &out, &errs}
	var failures []error
	for _, p := range all {
		var err error
		p.r, p.w, err = os.Pipe()
		failures = append(failures, err)
	}
	return in, out, errs, func() {
		for _, f := range []*os.File{in.r, in.w, out.r, out.w, errs.r, errs.w} {
			if f != nil {
				_ = f.Close()
			}
		}
	}, errors.Join(failures...)
}

// ask tells the child to end: SIGTERM to the group of a process.
func (c *child) ask() {
	if c.inside != nil {
		c.inside.cancel()
		return
	}
	terminateGroup(c.pid())
}

// kill ends the child; one inside the host can only be asked.
func (c *child) kill() {
	if c.inside != nil {
		c.inside.cancel()
		return
	}
	guard.KillGroup(c.pid())
}
