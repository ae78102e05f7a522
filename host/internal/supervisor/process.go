package supervisor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// Times that nothing but a fault makes felt: how often a starting provider is asked, how long an answer may take, and
// how long the kernel has to end what was killed.
const (
	probeInterval = 100 * time.Millisecond
	probeTimeout  = time.Second
	killTimeout   = 5 * time.Second // for the kernel to end what was killed
)

// Process is a supervised program: at most one child at a time, started again whenever it ends. One goroutine, run,
// owns the child and the state; all others only send it what they want. Its methods are safe for concurrent use.
type Process struct {
	spec    Spec
	tracker *tracker

	stop     chan struct{} // closed: end politely
	kill     chan struct{} // closed: end now
	restart  chan wish     // to start anew
	renew    chan *renewal // the same, at once
	done     chan struct{} // closed when everything has ended
	stopOnce sync.Once
	killOnce sync.Once

	mu    sync.Mutex
	state State  // guarded by mu; written by the owner only
	child *child // the one that is ready; guarded by mu
}

// wish is why to start anew.
type wish struct {
	reason string
	hung   bool // asking the child to end is in vain
}

// errStop ends the owner's work on a child because Stop was called.
var errStop = errors.New("stopped")

// Start runs the program and returns when it is ready. ctx is for starting only. From then on the process is started
// again whenever it ends, until Stop.
//
// When the first child does not become ready, there is no second one; nothing is left behind. Errors, all with the last
// lines of the child's standard error and a hint where one is known: ErrInvalid (spec), ErrNotFound (no such file),
// ErrUnavailable (it cannot be run, or it ended), ErrTimeout (not ready within Spec.ReadyTimeout), and the code of
// ctx.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	if err := spec.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, &lattice.Error{Code: lattice.CodeOf(err), Op: "start", Entity: spec.Path}
	}
	p := &Process{
		spec: spec.withDefaults(), tracker: newTracker(spec.Restart, time.Now, rand.Float64),
		stop: make(chan struct{}), kill: make(chan struct{}), restart: make(chan wish, 1), renew: make(chan *renewal),
		done: make(chan struct{}),
	}
	first := make(chan error, 1)
	go p.run(first)
	select {
	case err := <-first:
		if err != nil {
			<-p.done
			return nil, err
		}
		return p, nil
	case <-ctx.Done():
		p.killNow()
		<-p.done
		return nil, &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "start", Entity: spec.Path,
			Detail: "given up before it was ready"}
	}
}

// State returns the present state.
func (p *Process) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// Done is closed when the process has ended for good and everything is released.
func (p *Process) Done() <-chan struct{} { return p.done }

// Restart ends the child, as Stop does, and starts a new one after the usual back-off; State.Reason will be the reason
// given. It does not wait, and does nothing while no child is ready.
func (p *Process) Restart(reason string) { p.want(wish{reason: reason}) }

// Replace is Restart for a child that hangs: it is killed at once.
func (p *Process) Replace(reason string) { p.want(wish{reason: reason, hung: true}) }

// want never waits. There is room for one wish, and two mean the same: another child.
func (p *Process) want(w wish) {
	select {
	case p.restart <- w:
	default: // one is under way
	}
}

// Stop ends the process: Spec.Shutdown, then the end of standard input, SIGTERM, SIGKILL, with Spec.Grace between each.
// When ctx ends, the rest of the grace is skipped. It returns when the process, its group and everything around them
// have ended. It is idempotent. ErrTimeout means that the system did not end a killed process within five seconds, or
// that a run inside the host, which cannot be killed, goes on.
func (p *Process) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() { close(p.stop) })
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	p.killNow()
	timer := time.NewTimer(killTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return &lattice.Error{Code: lattice.ErrTimeout, Op: "stop", Entity: p.spec.Path,
			Detail: "killed, but it does not end"}
	}
}

// killNow skips what is left of the grace. It implies a stop.
func (p *Process) killNow() {
	p.stopOnce.Do(func() { close(p.stop) })
	p.killOnce.Do(func() { close(p.kill) })
}

// run owns the process. It sends exactly one value to first unless Start has gone away.
func (p *Process) run(first chan<- error) {
	defer close(p.done)
	var renewed *renewal // the callers that wait for the child that is being started
	for n := 0; ; n++ {
		p.step(Starting, func(s *State) { s.Restarts = n })
		c, err := p.bringUp()
		if err == nil {
			p.hold(c)
			p.step(Ready, nil)
		}
		if renewed != nil {
			renewed.done <- err
			renewed = nil
		}
		if err == nil {
			p.tracker.ready()
			if n == 0 {
				first <- nil
			}
			err = p.attend(c)
			p.hold(nil)
		}
		stderr := []string(nil)
		if c != nil {
			stderr = c.tail.lines()
		}
		switch {
		case errors.Is(err, errStop):
			p.stopped(c)
			return
		// The first start is somebody's command, whose sender waits: it fails there and then. Later ones are tried
		// again.
		case n == 0 && p.State().Phase == Starting:
			p.step(Failed, func(s *State) { s.PID, s.Reason, s.Stderr = 0, cause(err), stderr })
			first <- withOutput(err, stderr)
			return
		}
		if errors.As(err, &renewed) {
			p.spec.Logger.Info("provider process is started anew", "reason", renewed.reason)
			p.step(Backoff, func(s *State) { s.PID, s.Reason, s.Stderr, s.Retry = 0, renewed.reason, nil, 0 })
			continue
		}
		// While NATS is away children cannot become ready, which is not their fault: such ends lengthen the back-off to
		// a point only.
		delay, text := p.tracker.ended(cause(err), p.spec.Excused())
		p.spec.Logger.Warn("provider process ended", "reason", text, "stderr", lastOf(stderr))
		p.step(Backoff, func(s *State) { s.PID, s.Reason, s.Stderr, s.Retry = 0, cause(err), stderr, delay })
		if !p.pause(delay) {
			p.stopped(nil)
			return
		}
	}
}

// bringUp starts a child and waits until it is ready. With an error the child, if there is one, has ended, unless the
// error is errStop.
func (p *Process) bringUp() (*child, error) {
	c, err := startChild(p.spec)
	if err != nil {
		return nil, err
	}
	p.note(func(s *State) { s.PID = c.pid() })
	err = p.awaitReady(c)
	var e *lattice.Error
	// It may still become ready, and then there would be two.
	if errors.As(err, &e) && e.Code == lattice.ErrTimeout {
		p.terminate(c)
	}
	select {
	case <-p.restart: // a wish from before; this is a new start
	default:
	}
	return c, err
}

// awaitReady waits for the first of: ready, exit, time-out, stop.
func (p *Process) awaitReady(c *child) error {
	ready := c.readyLine
	switch {
	case p.spec.RequireReadyLine:
	case p.spec.Probe != nil:
		probes, cancel := context.WithCancel(context.Background())
		probed := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { p.probe(probes, probed) })
		defer wg.Wait()
		defer cancel()
		ready = probed
	case p.spec.ReadyLine == "":
		ready = make(chan struct{})
		close(ready)
	}
	timer := time.NewTimer(p.spec.ReadyTimeout)
	defer timer.Stop()
wait:
	for {
		select {
		case <-ready:
			break wait
		case <-c.readyLine:
			break wait
		case <-c.exited:
			break wait
		case <-p.stop:
			return errStop
		case <-timer.C:
			if !p.spec.Excused() {
				return &lattice.Error{Code: lattice.ErrTimeout, Op: "start", Entity: p.spec.Path,
					Detail: fmt.Sprintf("it was not ready within %s", p.spec.ReadyTimeout)}
			}
			timer.Reset(p.spec.ReadyTimeout)
		}
	}
	if !isClosed(c.exited) || isClosed(c.readyLine) {
		return nil // a child that said that it was ready was ready, however soon it ended; attend tells of its end
	}
	return &lattice.Error{Code: lattice.ErrUnavailable, Op: "start", Entity: p.spec.Path,
		Detail: "it ended before it was ready: " + c.reason()}
}

// isClosed looks without waiting.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// probe closes probed when the probe succeeds, and ends with ctx.
func (p *Process) probe(ctx context.Context, probed chan<- struct{}) {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		once, cancel := context.WithTimeout(ctx, probeTimeout)
		err := p.spec.Probe(once)
		cancel()
		if err == nil && ctx.Err() == nil {
			close(probed)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// attend waits until a ready child ends or has to.
func (p *Process) attend(c *child) error {
	select {
	case <-c.exited:
		return &lattice.Error{Code: lattice.ErrUnavailable, Detail: c.reason()}
	case w := <-p.restart:
		if w.hung {
			c.kill()
			<-c.exited
		} else {
			p.end(c)
		}
		return &lattice.Error{Code: lattice.ErrUnavailable, Detail: w.reason}
	case r := <-p.renew:
		p.end(c)
		return r
	case <-p.stop:
		return errStop
	}
}

// hold says which child is ready.
func (p *Process) hold(c *child) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child = c
}

// pause waits for the back-off; false: Stop was called meanwhile.
func (p *Process) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.stop:
		return false
	}
}

// stopped ends the child, if there is one, because somebody asked for it.
func (p *Process) stopped(c *child) {
	p.step(Stopping, nil)
	reason := "stopped"
	if c != nil {
		p.end(c)
		reason = c.reason()
	}
	p.step(Stopped, func(s *State) { s.PID, s.Reason = 0, reason })
}

// end asks the child politely and, if that does not help, terminates it.
func (p *Process) end(c *child) {
	if p.spec.Shutdown != nil && p.askToEnd(c) == nil {
		c.endInput()
		if c.within(p.spec.Grace, p.kill) {
			return
		}
	}
	p.terminate(c)
}

// askToEnd runs Spec.Shutdown until it returns, the child has ended, or a kill is wanted. The goroutine that watches
// for these ends with it.
func (p *Process) askToEnd(c *child) error {
	ctx, cancel := context.WithTimeout(context.Background(), p.spec.Grace)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		select {
		case <-c.exited:
		case <-p.kill:
		case <-ctx.Done():
		}
		cancel()
	})
	return p.spec.Shutdown(ctx)
}

// terminate ends the child without asking and waits for it.
func (p *Process) terminate(c *child) {
	c.endInput()
	select {
	case <-p.kill:
	default:
		c.ask()
		if c.within(p.spec.Grace, p.kill) {
			return
		}
		if c.inside == nil {
			p.spec.Logger.Warn("provider process did not end on SIGTERM and is killed", "pid", c.pid())
		} else {
			p.spec.Logger.Error("provider inside the host does not end, and cannot be killed: " +
				"it is gone when the host has been started again")
		}
	}
	c.kill()
	<-c.exited
}

// step goes to another phase and tells it; with is applied to the new state first.
func (p *Process) step(to Phase, with func(*State)) {
	p.mu.Lock()
	s, err := p.state.transition(to)
	if err == nil {
		if with != nil {
			with(&s)
		}
		p.state = s
	}
	p.mu.Unlock()
	if err != nil {
		p.spec.Logger.Error("supervisor is confused", lattice.LogErr, err)
		return
	}
	p.spec.OnState(s)
}

// note changes what the state says within its phase, and tells nobody.
func (p *Process) note(with func(*State)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	with(&p.state)
}

// cause is the short reason of an error of this package: what State.Reason shows.
func cause(err error) string {
	var e *lattice.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch {
	case e.Detail != "" && e.Err != nil:
		return e.Detail + ": " + e.Err.Error()
	case e.Detail != "":
		return e.Detail
	}
	return e.Error()
}

// withOutput adds what the child said last to the error.
func withOutput(err error, stderr []string) error {
	var e *lattice.Error
	if len(stderr) == 0 || !errors.As(err, &e) {
		return err
	}
	told := *e
	told.Detail += "; it said last:\n  " + strings.Join(stderr, "\n  ")
	return &told
}

func lastOf(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
