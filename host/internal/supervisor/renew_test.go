//go:build unix

package supervisor

import (
	"context"
	"errors"
	"strings"
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
	if _, err := tell("end"); lattice.CodeOf(err) != lattice.ErrUnavailable || !strings.Contains(err.Error(), "exit status 8") {
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
