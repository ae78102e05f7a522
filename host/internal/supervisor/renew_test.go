//go:build unix

package supervisor

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
)

func TestTell(t *testing.T) {
	spec := play(t, "listen")
	spec.Answers = []string{"heard one", "heard two"}
	p := supervise(t, spec)
	tell := func(line string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return p.Tell(ctx, []byte(line+"\n"))
	}
	for _, n := range []string{"one", "two"} {
		if answer, err := tell(n); err != nil || answer != "heard "+n {
			t.Errorf("%q: %v", answer, err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Tell(short, []byte("ignore\n")); lattice.CodeOf(err) != lattice.ErrTimeout {
		t.Errorf("no answer: %v", err)
	}
	if answer, err := tell("one"); err != nil || answer != "heard one" {
		t.Errorf("after that: %q: %v", answer, err)
	}
	if _, err := tell("end"); lattice.CodeOf(err) != lattice.ErrUnavailable || !strings.Contains(err.Error(),
		"exit status 8") {
		t.Errorf("it ended: %v", err)
	}
}

func TestTellDeaf(t *testing.T) {
	spec := play(t, "mute")
	spec.RequireReadyLine, spec.Probe = false, func(context.Context) error { return nil }
	p := supervise(t, spec)
	if _, err := p.Tell(t.Context(), []byte("x\n")); !errors.Is(err, ErrDeaf) {
		t.Error(err)
	}
}

func TestRenew(t *testing.T) {
	spec := play(t, "serve")
	spec.Restart = Policy{Min: time.Hour, Max: time.Hour} // a failure would take long
	p := supervise(t, spec)
	for n := range 3 {
		before := p.State()
		if err := p.Renew(t.Context(), "new keys"); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error {
			if s := p.State(); s.Phase != Ready || s.PID == before.PID || s.Restarts != n+1 {
				return errors.New(s.Phase.String())
			}
			return nil
		})
		gone(t, before.PID)
	}
	stop(t, p)
	if err := p.Renew(t.Context(), "too late"); lattice.CodeOf(err) != lattice.ErrUnavailable {
		t.Errorf("stopped: %v", err)
	}
}

func TestRenewFails(t *testing.T) {
	p := supervise(t, play(t, "serveonce", t.TempDir()+"/mark"))
	if err := p.Renew(t.Context(), "new keys"); err == nil || !strings.Contains(err.Error(), "exit status 5") {
		t.Errorf("renewed: %v", err)
	}
}

// A process that hangs does not answer SIGTERM either: it is killed at once, and another one is there.
func TestAProcessThatHangsIsReplaced(t *testing.T) {
	spec := play(t, "serve")
	spec.Grace = time.Hour // which asking it to end would take
	spec.Restart.Min = time.Millisecond
	p := supervise(t, spec)
	before := p.State().PID
	if err := syscall.Kill(before, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.Replace("it hangs")
	deadline := time.Now().Add(time.Minute)
	for s := p.State(); s.Phase != Ready || s.PID == before; s = p.State() {
		if time.Now().After(deadline) {
			t.Fatalf("the state is %+v", s)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// NATS is away, which the child needs to get ready: it is given time, rather than killed for being late.
func TestAnExcusedChildIsGivenTime(t *testing.T) {
	var late atomic.Int64 // times that it was
	spec := play(t, "serve")
	spec.ReadyLine, spec.RequireReadyLine, spec.ReadyTimeout = "", false, 20*time.Millisecond
	spec.Excused = func() bool { late.Add(1); return true }
	spec.Probe = func(context.Context) error {
		if late.Load() < 2 {
			return errors.New("NATS is away")
		}
		return nil
	}
	p := supervise(t, spec)
	if s := p.State(); s.Phase != Ready || s.Restarts != 0 {
		t.Errorf("the state is %+v", s)
	}
}
