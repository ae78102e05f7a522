//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// insider plays a provider that runs in this process: it obeys the lines on its input.
func insider(ctx context.Context, s Streams) error {
	fmt.Fprintln(s.Out, readyLine)
	lines := make(chan string, 10)
	go func() { // ends with the input
		defer close(lines)
		in := bufio.NewScanner(s.In)
		for in.Scan() {
			lines <- in.Text()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, more := <-lines:
			switch {
			case !more:
				return nil
			case line == "panic":
				panic("on demand")
			case line == "fail":
				fmt.Fprintln(s.Err, "level=ERROR msg=\"cannot go on\" why=demand")
				return errors.New("on demand")
			case line == "ask":
				fmt.Fprintln(s.Out, "fine")
			}
		}
	}
}

func insideSpec() Spec {
	return Spec{Run: insider, ReadyLine: readyLine, RequireReadyLine: true, Answers: []string{"fine"},
		Restart: Policy{Min: time.Millisecond},
		Stdin:   func() []byte { return []byte("serve\n") }}
}

func TestInside(t *testing.T) {
	var h history
	var book logbook
	spec := insideSpec()
	spec.OnState, spec.Logger = h.add, slog.New(&book)
	p := supervise(t, spec)
	for n, end := range []string{"fail", "panic"} {
		if answer, err := p.Tell(t.Context(), []byte(end+"\n")); !errors.Is(err, lattice.ErrUnavailable) {
			t.Errorf("told to %s: %q, %v", end, answer, err)
		}
		eventually(t, func() error {
			if s := p.State(); s.Phase != Ready || s.Restarts != n+1 {
				return fmt.Errorf("state %+v", s)
			}
			return nil
		})
	}
	h.mu.Lock()
	var reasons []string
	for _, s := range h.states {
		if s.Phase == Backoff {
			reasons = append(reasons, s.Reason+"|"+strings.Join(s.Stderr, "\n"))
		}
		if s.PID != 0 {
			t.Errorf("pid %d: there is no process that could be killed", s.PID)
		}
	}
	h.mu.Unlock()
	if len(reasons) != 2 || !strings.HasPrefix(reasons[0], "on demand|") ||
		!strings.Contains(reasons[0], "cannot go on") ||
		!strings.HasPrefix(reasons[1], "panic: on demand|") || !strings.Contains(reasons[1], "insider") {
		t.Errorf("reasons %q", reasons)
	}
	if answer, err := p.Tell(t.Context(), []byte("ask\n")); err != nil || answer != "fine" {
		t.Errorf("told: %q, %v", answer, err)
	}
	if err := p.Renew(t.Context(), "new keys"); err != nil {
		t.Error(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if s := p.State(); s.Phase != Stopped {
		t.Errorf("state %+v", s)
	}
}

// One that never gets ready is asked to end, and its end is the failure of the start.
func TestInsideNotReady(t *testing.T) {
	spec := insideSpec()
	spec.ReadyTimeout = 20 * time.Millisecond
	spec.Run = func(ctx context.Context, s Streams) error {
		_, _ = io.Copy(io.Discard, s.In)
		return errors.New("given up")
	}
	if p, err := Start(t.Context(), spec); !errors.Is(err, lattice.ErrTimeout) {
		t.Errorf("%v, %v", p, err)
	}
}

// Nobody can end a run that does not want to: Stop says so, and does not wait for ever.
func TestInsideThatStays(t *testing.T) {
	long.Test(t, "waits for the time that a kill may take")
	var book logbook
	release := make(chan struct{})
	spec := insideSpec()
	spec.Logger, spec.Grace = slog.New(&book), time.Millisecond
	spec.Run = func(_ context.Context, s Streams) error {
		fmt.Fprintln(s.Out, readyLine)
		<-release
		return nil
	}
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); !errors.Is(err, lattice.ErrTimeout) {
		t.Errorf("stop: %v", err)
	}
	close(release)
	<-p.Done()
}
