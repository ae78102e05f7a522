package supervisor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/weftlattice/weft/internal/guard"
	"github.com/weftlattice/weft/lattice"
)

const (
	guardReadyTimeout = 10 * time.Second
	guardWriteTimeout = time.Second
	guardEndTimeout   = 3 * time.Second
)

// Guard is the helper process that ends the provider processes of a host that dies, even by kill -9. There is one per
// host; it is started again when it ends, and told all groups then. Its methods are safe for concurrent use.
type Guard struct {
	path string
	args []string
	log  *slog.Logger

	stop     chan struct{}
	done     chan struct{}
	stopOnce sync.Once

	mu     sync.Mutex
	groups map[int]bool // guarded by mu
	run    *guardRun    // guarded by mu; nil between two runs
}

// guardRun is one guard process.
type guardRun struct {
	cmd    *exec.Cmd
	in     *os.File
	exited chan struct{}
}

// StartGuard runs the guard: path with args must be a process that calls guard.Run, for example weft itself with
// "provider guard". It returns when the guard listens. ctx is for starting only. The caller must Close it, after the
// processes that it guards.
func StartGuard(ctx context.Context, path string, args []string, log *slog.Logger) (*Guard, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{
		path: path, args: args, log: log,
		stop: make(chan struct{}), done: make(chan struct{}), groups: map[int]bool{},
	}
	ctx, cancel := context.WithTimeout(ctx, guardReadyTimeout)
	defer cancel()
	run, err := g.start(ctx)
	if err != nil {
		return nil, err
	}
	g.run = run
	go g.keep(run)
	return g, nil
}

// Add puts a process group under guard.
func (g *Guard) Add(pgid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups[pgid] = true
	g.tell(guard.Begin(pgid))
}

// Remove releases a process group.
func (g *Guard) Remove(pgid int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, pgid)
	g.tell(guard.End(pgid))
}

// Close ends the guard, which kills the groups still under it, and waits for it. It is idempotent.
func (g *Guard) Close(ctx context.Context) error {
	g.stopOnce.Do(func() { close(g.stop) })
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		return &lattice.Error{Code: lattice.CodeOf(ctx.Err()), Op: "close guard"}
	}
}

// tell writes a line to the guard. A guard that does not take it would not end the groups that it was not told of. So
// it is killed, and keep starts another one, which is told of all groups. The caller holds mu.
func (g *Guard) tell(line string) {
	if g.run == nil {
		return // the next one is told everything
	}
	_ = g.run.in.SetWriteDeadline(time.Now().Add(guardWriteTimeout))
	if _, err := io.WriteString(g.run.in, line); err != nil {
		_ = g.run.cmd.Process.Kill()
		g.run = nil
	}
}

// keep owns the guard process: it replaces one that ends, until Close.
func (g *Guard) keep(run *guardRun) {
	defer close(g.done)
	tracker := newTracker(Policy{}, time.Now, rand.Float64)
	for {
		tracker.ready()
		select {
		case <-g.stop:
			g.set(nil)
			g.end(run)
			return
		case <-run.exited:
		}
		g.set(nil)
		_ = run.in.Close()
		reason := run.cmd.ProcessState.String()
		for run = nil; run == nil; {
			delay, text := tracker.ended(reason, false)
			g.log.Warn("guard of provider processes ended", "reason", text)
			timer := time.NewTimer(delay)
			select {
			case <-g.stop:
				timer.Stop()
				g.killAll()
				return
			case <-timer.C:
			}
			ctx, cancel := context.WithTimeout(context.Background(), guardReadyTimeout)
			next, err := g.start(ctx)
			cancel()
			if err != nil {
				reason = err.Error()
				continue
			}
			run = next
			g.set(run)
		}
	}
}

// end closes the guard's input, upon which it does its work and ends; a guard that hangs is killed and its work done
// here.
func (g *Guard) end(run *guardRun) {
	g.set(nil) // first, since a group that the guard ends is removed, and no guard listens any more
	_ = run.in.Close()
	timer := time.NewTimer(guardEndTimeout)
	defer timer.Stop()
	select {
	case <-run.exited:
	case <-timer.C:
		_ = run.cmd.Process.Kill()
		<-run.exited
		g.killAll()
	}
}

// set makes run the guard in charge and tells it all groups.
func (g *Guard) set(run *guardRun) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.run = run
	for pgid := range g.groups {
		g.tell(guard.Begin(pgid))
	}
}

// killAll does the guard's work when no guard runs.
func (g *Guard) killAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for pgid := range g.groups {
		guard.KillGroup(pgid)
	}
}

// start runs a guard and waits until it listens.
func (g *Guard) start(ctx context.Context) (*guardRun, error) {
	fail := func(code lattice.Code, detail string, err error) (*guardRun, error) {
		return nil, &lattice.Error{Code: code, Op: "start guard", Entity: g.path, Detail: detail, Err: err}
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		return fail(lattice.ErrUnavailable, "", err)
	}
	defer inR.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		_ = inW.Close()
		return fail(lattice.ErrUnavailable, "", err)
	}
	defer outR.Close()
	cmd := exec.Command(g.path, g.args...)
	cmd.Env = []string{}
	cmd.Dir = "/" // it may outlive the place that it was started in
	cmd.Stdin, cmd.Stdout = inR, outW
	cmd.SysProcAttr = ownSession() // the terminal's signals are for the host
	err = cmd.Start()
	_ = outW.Close()
	if err != nil {
		_ = inW.Close()
		return fail(lattice.ErrUnavailable, diagnose(g.path, err), err)
	}
	run := &guardRun{cmd: cmd, in: inW, exited: make(chan struct{})}
	go func() { // owned by keep, or by the failure below
		defer close(run.exited)
		_ = cmd.Wait()
	}()
	if deadline, ok := ctx.Deadline(); ok {
		_ = outR.SetReadDeadline(deadline)
	}
	stop := context.AfterFunc(ctx, func() { _ = outR.SetReadDeadline(time.Now()) })
	line, err := bufio.NewReaderSize(outR, 256).ReadString('\n')
	stop()
	if got := strings.TrimSpace(line); got != guard.ReadyLine {
		_ = cmd.Process.Kill()
		_ = inW.Close()
		<-run.exited
		if ctx.Err() != nil {
			return fail(lattice.CodeOf(ctx.Err()), "it did not listen in time", nil)
		}
		return fail(lattice.ErrUnavailable, fmt.Sprintf("it said %q instead of %q", lattice.Printable(got),
			guard.ReadyLine), err)
	}
	return run, nil
}
