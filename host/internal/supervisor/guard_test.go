//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

func startGuard(t *testing.T) *Guard {
	t.Helper()
	g, err := StartGuard(t.Context(), self(t), []string{"play", "guard"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeGuard(t, g) })
	return g
}

func closeGuard(t *testing.T, g *Guard) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), latticetest.Patience)
	defer cancel()
	if err := g.Close(ctx); err != nil {
		t.Error(err)
	}
}

func (g *Guard) pid() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.run == nil {
		return 0
	}
	return g.run.cmd.Process.Pid
}

// TestHostKilled is the guard's purpose: after kill -9 of the host nothing of it is left.
func TestHostKilled(t *testing.T) {
	host := exec.Command(self(t), "play", "host")
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Process.Kill(); _ = host.Wait() })
	var pids []int
	lines := bufio.NewScanner(out)
	for up := false; len(pids) < 2 || !up; up = up || lines.Text() == "up" {
		if !lines.Scan() {
			t.Fatalf("host ended: %v", lines.Err())
		}
		line := lines.Text()
		if msg, ok := between(line, `msg="grandchild `, `"`); ok {
			pids = append(pids, numberAfter(t, " "+msg))
		} else if strings.HasPrefix(line, "provider ") {
			pids = append(pids, numberAfter(t, line))
		}
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Fatalf("process %d does not run", pid)
		}
	}
	if err := host.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		gone(t, pid)
	}
}

func between(s, before, after string) (string, bool) {
	_, s, ok := strings.Cut(s, before)
	if !ok {
		return "", false
	}
	s, _, ok = strings.Cut(s, after)
	return s, ok
}

func TestGuardIsReplacedAndToldAgain(t *testing.T) {
	g := startGuard(t)
	spec := play(t, "deaf")
	spec.Grace, spec.Guard = 100*time.Millisecond, g
	p := supervise(t, spec)
	before := g.pid()
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if pid := g.pid(); pid == 0 || pid == before {
			return fmt.Errorf("guard is %d", pid)
		}
		return nil
	})
	child := p.State().PID
	if !alive(child) {
		t.Fatal("the child ended with its guard")
	}
	closeGuard(t, g) // what a dying host does: the guard's input ends
	gone(t, child)
}

func TestGuardIgnoresSignals(t *testing.T) {
	g := startGuard(t)
	pid := g.pid()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 || int(sid) != pid {
		t.Errorf("session %d of guard %d: %v", sid, pid, errno)
	}
	spec := play(t, "deaf")
	spec.Grace, spec.Guard = 100*time.Millisecond, g
	child := supervise(t, spec).State().PID
	closeGuard(t, g)
	gone(t, child)
	if g.pid() != 0 {
		t.Error("guard runs after Close")
	}
}

func TestGuardReleasesWhatEnded(t *testing.T) {
	g := startGuard(t)
	spec := play(t, "serve")
	spec.Guard = g
	p := supervise(t, spec)
	stop(t, p)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.groups) != 0 {
		t.Errorf("still guarded: %v", g.groups)
	}
}

func TestGuardThatHangsIsReplaced(t *testing.T) {
	long.Test(t, "waits for processes that do not end")
	g := startGuard(t)
	before := g.pid()
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // fill its pipe
		for i := range 2000 {
			g.Add(1<<30 + i)
			g.Remove(1<<30 + i)
			if g.pid() != before {
				return nil
			}
		}
		return errors.New("it still takes lines")
	})
	eventually(t, func() error {
		if g.pid() == 0 {
			return errors.New("no new guard")
		}
		return nil
	})
}

func TestStartGuardFails(t *testing.T) {
	for _, tc := range []struct {
		name, path, role string
		code             lattice.Code
		text             string
	}{
		{"no such file", "/no/such/weft", "guard", lattice.ErrUnavailable, "no such file"},
		{"is no guard", self(t), "environ", lattice.ErrUnavailable, "instead of"},
		{"says nothing", self(t), "mute", lattice.ErrTimeout, "in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := StartGuard(ctx, tc.path, []string{"play", tc.role}, nil)
			if !errors.Is(err, tc.code) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %v", err)
			}
		})
	}
}
