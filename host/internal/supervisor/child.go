package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/guard"
	"github.com/weftlattice/weft/lattice"
)

// lingering bounds how long the output of a process group that has been killed is still read. Only a process that left
// the group can keep a pipe open longer.
const lingering = time.Second

// busyTimeout is the longest wait between two attempts to run a file that is being written.
const busyTimeout = 200 * time.Millisecond

// child is one run of the program. Its goroutines have ended when exited is closed.
type child struct {
	cmd    *exec.Cmd // nil when it runs inside the host
	inside *inside   // nil when it is a process
	stdin  *os.File  // our end
	tail   *tail     // last lines of standard error

	readyLine chan struct{} // closed when the child has printed it
	answers   chan string   // the last line of Spec.Answers that no caller has taken
	exited    chan struct{} // closed when the child and its group are gone and its output is read

	closeStdin sync.Once
}

// startChild runs the program. When it fails, nothing is left behind.
func startChild(spec Spec) (*child, error) {
	if spec.Run != nil {
		return startInside(spec)
	}
	in, out, errs, closeAll, err := pipes()
	if err != nil {
		closeAll()
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "start", Entity: spec.Path, Err: err}
	}
	// Files of our own instead of os/exec's pipes: Wait must not wait for a grandchild that holds a pipe open, and
	// nothing the child wrote before it ended must get lost.
	cmd, err := execute(spec, in.r, out.w, errs.w)
	if err != nil {
		closeAll()
		return nil, startError(spec.Path, err)
	}
	_, _, _ = in.r.Close(), out.w.Close(), errs.w.Close()

	c := newChild(in.w)
	c.cmd = cmd
	if spec.Guard != nil {
		spec.Guard.Add(c.pid())
	}
	var relays sync.WaitGroup
	relays.Go(func() { c.feed(spec) })
	relays.Go(func() { newRelay(spec, c, out.r, false).run() })
	relays.Go(func() { newRelay(spec, c, errs.r, true).run() })
	go func() { // owned by whoever waits for exited
		defer close(c.exited)
		_ = cmd.Wait()           // the state tells all; we copy nothing that could fail
		guard.KillGroup(c.pid()) // what the child has started ends with it
		if spec.Guard != nil {
			spec.Guard.Remove(c.pid())
		}
		c.endInput()
		deadline := time.Now().Add(lingering)
		_, _ = out.r.SetReadDeadline(deadline), errs.r.SetReadDeadline(deadline)
		relays.Wait()
		_, _ = out.r.Close(), errs.r.Close()
	}()
	return c, nil
}

func newChild(stdin *os.File) *child {
	return &child{stdin: stdin, tail: &tail{}, readyLine: make(chan struct{}), answers: make(chan string, 1),
		exited: make(chan struct{})}
}

// execute starts the program. A file that has just been written can be busy for a moment: a process forked at that time
// for something else still holds it open for writing, until it executes its own program.
func execute(spec Spec, in, out, errs *os.File) (*exec.Cmd, error) {
	pauses := backoff.Series{Policy: backoff.Policy{First: time.Millisecond, Max: 2 * busyTimeout}}
	for {
		wait := pauses.Next()
		cmd := exec.Command(spec.Path, spec.Args...)
		cmd.Env = environment(spec.Env, hostEnv)
		cmd.Dir = spec.Dir
		cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errs
		cmd.SysProcAttr = ownGroup()
		err := cmd.Start()
		if !errors.Is(err, errBusy) || wait > busyTimeout {
			return cmd, err
		}
		time.Sleep(wait)
	}
}

// feed writes the standard input. A child that does not read it is not ready in time, and its end closes the pipe.
func (c *child) feed(spec Spec) {
	if spec.Stdin == nil {
		return
	}
	if _, err := c.stdin.Write(spec.Stdin()); err != nil && !errors.Is(err, os.ErrClosed) {
		spec.Logger.Warn("provider did not read its standard input", lattice.LogErr, err)
	}
}

// pid is 0 when it runs inside the host.
func (c *child) pid() int {
	if c.cmd == nil {
		return 0
	}
	return c.cmd.Process.Pid
}

// endInput closes standard input: a provider of weft ends then.
func (c *child) endInput() { c.closeStdin.Do(func() { _ = c.stdin.Close() }) }

// reason tells how the child ended, "exit status 1" or "signal: killed". It may be asked after exited.
func (c *child) reason() string {
	if c.inside != nil {
		return c.inside.outcome()
	}
	return c.cmd.ProcessState.String()
}

// within waits for the exit, at most d or until kill is closed.
func (c *child) within(d time.Duration, kill <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.exited:
		return true
	case <-timer.C:
	case <-kill:
	}
	return false
}
