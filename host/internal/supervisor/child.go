package supervisor

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/weftlattice/weft/host/guard"
	"github.com/weftlattice/weft/lattice"
)

// lingering bounds how long the output of a process group that has been killed is still read. Only a process that left
// the group can keep a pipe open longer.
const lingering = time.Second

// busyTimeout is the longest wait between two attempts to run a file that is being written.
const busyTimeout = 200 * time.Millisecond

// child is one run of the program. Its goroutines have ended when exited is closed.
type child struct {
	cmd   *exec.Cmd
	stdin *os.File // our end
	tail  *tail    // last lines of standard error

	readyLine chan struct{} // closed when the child has printed it
	answers   chan string   // the last line of Spec.Answers that nobody has taken
	exited    chan struct{} // closed when the child and its group are gone and its output is read

	closeStdin sync.Once
}

// startChild runs the program. When it fails, nothing is left behind.
func startChild(spec Spec) (*child, error) {
	var files []*os.File
	closeAll := func() {
		for _, f := range files {
			_ = f.Close()
		}
	}
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	inR, inW, err1 := pipe()
	outR, outW, err2 := pipe()
	errR, errW, err3 := pipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		closeAll()
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "start", Entity: spec.Path, Err: err}
	}
	// Files of our own instead of os/exec's pipes: Wait must not wait for a grandchild that holds a pipe open, and
	// nothing the child wrote before it ended must get lost.
	cmd, err := execute(spec, inR, outW, errW)
	if err != nil {
		closeAll()
		return nil, startError(spec.Path, err)
	}
	_, _, _ = inR.Close(), outW.Close(), errW.Close()

	c := &child{
		cmd: cmd, stdin: inW, tail: &tail{},
		readyLine: make(chan struct{}), answers: make(chan string, 1), exited: make(chan struct{}),
	}
	if spec.Guard != nil {
		spec.Guard.Add(c.pid())
	}
	var pipes sync.WaitGroup
	pipes.Go(func() { c.feed(spec) })
	pipes.Go(func() { newRelay(spec, c, outR, false).run() })
	pipes.Go(func() { newRelay(spec, c, errR, true).run() })
	go func() { // owned by whoever waits for exited
		defer close(c.exited)
		_ = cmd.Wait()           // the state tells all; we copy nothing that could fail
		guard.KillGroup(c.pid()) // what the child has started ends with it
		if spec.Guard != nil {
			spec.Guard.Remove(c.pid())
		}
		c.endInput()
		deadline := time.Now().Add(lingering)
		_, _ = outR.SetReadDeadline(deadline), errR.SetReadDeadline(deadline)
		pipes.Wait()
		_, _ = outR.Close(), errR.Close()
	}()
	return c, nil
}

// execute starts the program. A file that has just been written can be busy for a moment: a process forked at that time
// for something else still holds it open for writing, until it executes its own program.
func execute(spec Spec, in, out, errs *os.File) (*exec.Cmd, error) {
	for wait := time.Millisecond; ; wait *= 2 {
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

func (c *child) pid() int { return c.cmd.Process.Pid }

// endInput closes standard input: a provider of weft ends then.
func (c *child) endInput() { c.closeStdin.Do(func() { _ = c.stdin.Close() }) }

// reason tells how the child ended, "exit status 1" or "signal: killed". It may be asked after exited.
func (c *child) reason() string { return c.cmd.ProcessState.String() }

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
