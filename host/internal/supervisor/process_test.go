//go:build unix

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// history records the phases.
type history struct {
	mu     sync.Mutex
	states []State
}

func (h *history) add(s State) { h.mu.Lock(); h.states = append(h.states, s); h.mu.Unlock() }

func (h *history) phases() (phases []Phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.states {
		phases = append(phases, s.Phase)
	}
	return phases
}

func (h *history) last(p Phase) (State, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range slices.Backward(h.states) {
		if s.Phase == p {
			return s, true
		}
	}
	return State{}, false
}

func TestServesAndStops(t *testing.T) {
	var h history
	var book logbook
	spec := play(t, "serve")
	spec.OnState, spec.Logger = h.add, slog.New(&book)
	p := supervise(t, spec)
	if s := p.State(); s.Phase != Ready || !alive(s.PID) || s.Restarts != 0 {
		t.Errorf("state %+v", s)
	}
	book.await(t, "got host data")
	stop(t, p)
	stop(t, p) // idempotent
	if want := []Phase{Starting, Ready, Stopping, Stopped}; !slices.Equal(h.phases(), want) {
		t.Errorf("phases %v, want %v", h.phases(), want)
	}
	select {
	case <-p.Done():
	default:
		t.Error("not done after Stop")
	}
}

func TestFirstStartFails(t *testing.T) {
	timeout := play(t, "silent")
	timeout.ReadyTimeout = 300 * time.Millisecond
	missing := play(t, "serve")
	missing.Path = filepath.Join(t.TempDir(), "nothing")
	unexecutable := play(t, "serve")
	unexecutable.Path = filepath.Join(t.TempDir(), "file")
	foreign := play(t, "serve")
	foreign.Path = filepath.Join(t.TempDir(), "foreign")
	loaderless := play(t, "serve")
	loaderless.Path = filepath.Join(t.TempDir(), "script")
	for path, content := range map[string]string{foreign.Path: "\x00asm\x01\x00\x00\x00",
		loaderless.Path: "#!/no/such/interpreter -x\n"} {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(unexecutable.Path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		spec Spec
		code lattice.Code
		text []string
	}{
		{"exits", play(t, "exit", "9"), lattice.ErrUnavailable,
			[]string{"exit status 9", "cannot bind: address in use"}},
		{"exits with success", play(t, "exit", "0"), lattice.ErrUnavailable, []string{"exit status 0"}},
		{"is never ready", timeout, lattice.ErrTimeout, []string{"not ready within 300ms", "thinking"}},
		{"is missing", missing, lattice.ErrNotFound, []string{"no such file"}},
		{"is not executable", unexecutable, lattice.ErrUnavailable, []string{"chmod +x"}},
		{"is no program", foreign, lattice.ErrUnavailable, []string{"is an actor, not a provider"}},
		{"lacks its loader", loaderless, lattice.ErrUnavailable, []string{"needs /no/such/interpreter"}},
		{"has a relative path", Spec{Path: "x"}, lattice.ErrInvalid, []string{"not absolute"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var h history
			tc.spec.OnState = h.add
			p, err := Start(t.Context(), tc.spec)
			if p != nil || !errors.Is(err, tc.code) {
				t.Fatalf("got %v, %v; want code %s", p, err, tc.code.Name())
			}
			for _, text := range tc.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q lacks %q", err, text)
				}
			}
			if want := []Phase{Starting, Failed}; tc.code != lattice.ErrInvalid && !slices.Equal(h.phases(), want) {
				t.Errorf("phases %v, want %v", h.phases(), want)
			}
		})
	}
}

// TestBusyFile: a program that is open for writing somewhere is run as soon as it is not.
func TestBusyFile(t *testing.T) {
	program, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "provider")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	timer := time.AfterFunc(50*time.Millisecond, func() { _ = f.Close() })
	defer timer.Stop()
	spec := play(t, "serve")
	spec.Path = path
	supervise(t, spec)
}

func TestStartGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	spec := play(t, "silent")
	var pid atomic.Int64
	var book logbook
	spec.Logger = slog.New(&book)
	spec.OnState = func(s State) {
		if s.PID != 0 {
			pid.Store(int64(s.PID))
		}
	}
	result := make(chan error, 1)
	go func() { _, err := Start(ctx, spec); result <- err }()
	book.await(t, "thinking")
	cancel()
	if err := <-result; !errors.Is(err, lattice.ErrCanceled) {
		t.Errorf("error %v, want canceled", err)
	}
	if pid.Load() == 0 {
		t.Fatal("never told the process")
	}
	gone(t, int(pid.Load()))
}

func TestKilledProcessComesBackWithFreshInput(t *testing.T) {
	var h history
	var book logbook
	var starts atomic.Int64
	spec := play(t, "serve")
	spec.Restart = Policy{} // the real one
	spec.Stdin = func() []byte { return fmt.Appendf(nil, "links of start %d\n", starts.Add(1)) }
	spec.OnState, spec.Logger = h.add, slog.New(&book)
	p := supervise(t, spec)
	killed := time.Now()
	if err := syscall.Kill(p.State().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if s := p.State(); s.Phase != Ready || s.Restarts != 1 || s.Reason != "signal: killed" {
			return fmt.Errorf("state %+v", s)
		}
		return nil
	})
	latticetest.Promised(t, "back", time.Since(killed), 3*time.Second)
	book.await(t, "got links of start 2")
	if s, ok := h.last(Backoff); !ok || s.Retry <= 0 || s.Retry > 125*time.Millisecond || s.PID != 0 {
		t.Errorf("backoff state %+v", s)
	}
}

func TestCrashesAgainAndAgain(t *testing.T) {
	var h history
	spec := play(t, "crash")
	spec.OnState = h.add
	p := supervise(t, spec)
	eventually(t, func() error {
		if s := p.State(); s.Restarts < 5 {
			return fmt.Errorf("state %+v", s)
		}
		return nil
	})
	stop(t, p)
	if s, _ := h.last(Backoff); s.Reason != "exit status 3" {
		t.Errorf("reason %q", s.Reason)
	}
	if p.State().Phase != Stopped {
		t.Errorf("state %+v", p.State())
	}
}

func TestLaterStartsThatFailAreRetried(t *testing.T) {
	p := supervise(t, play(t, "once", filepath.Join(t.TempDir(), "mark")))
	eventually(t, func() error {
		if s := p.State(); s.Restarts < 3 || !strings.Contains(s.Reason, "before it was ready: exit status 5") {
			return fmt.Errorf("state %+v", s)
		}
		return nil
	})
}

func TestProbe(t *testing.T) {
	var asked atomic.Int64
	spec := play(t, "silent")
	spec.RequireReadyLine = false
	spec.Probe = func(context.Context) error {
		if asked.Add(1) < 3 {
			return lattice.ErrNoResponders
		}
		return nil
	}
	p := supervise(t, spec)
	if asked.Load() != 3 || p.State().Phase != Ready {
		t.Errorf("asked %d times, state %+v", asked.Load(), p.State())
	}
}

func TestReadyLineBeatsProbe(t *testing.T) {
	spec := play(t, "serve")
	spec.RequireReadyLine = false
	spec.Probe = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	supervise(t, spec)
}

func TestReadyAtOnce(t *testing.T) {
	supervise(t, Spec{Path: self(t), Args: []string{"play", "silent"}})
}

func TestEndings(t *testing.T) {
	long.Test(t, "waits for processes that do not end")
	const long, short = 5 * time.Second, 300 * time.Millisecond
	for _, tc := range []struct {
		name, role, reason string
		grace              time.Duration
		shutdown           func(*Process) error
	}{
		{"end of input", "serve", "exit status 0", long, func(*Process) error { return nil }},
		{"no way to ask", "term", "exit status 7", long, nil},
		{"asking fails", "term", "exit status 7", long, func(*Process) error { return lattice.ErrNoResponders }},
		{"asked, but stays", "term", "exit status 7", 2 * time.Second, func(*Process) error { return nil }},
		{"deaf", "deaf", "signal: killed", short, func(*Process) error { return nil }},
		{"ends while asked", "deaf", "signal: killed", long, func(p *Process) error {
			return syscall.Kill(p.State().PID, syscall.SIGKILL)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spec := play(t, tc.role)
			spec.Grace = tc.grace
			var p *Process
			if tc.shutdown != nil {
				spec.Shutdown = func(context.Context) error { return tc.shutdown(p) }
			}
			p = supervise(t, spec)
			pid := p.State().PID
			stop(t, p)
			if s := p.State(); s.Phase != Stopped || s.Reason != tc.reason || s.PID != 0 {
				t.Errorf("state %+v, want reason %q", s, tc.reason)
			}
			if alive(pid) {
				t.Error("still runs")
			}
		})
	}
}

func TestStopWithoutPatience(t *testing.T) {
	spec := play(t, "deaf")
	spec.Grace = time.Hour
	spec.Shutdown = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	p := supervise(t, spec)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
	if s := p.State(); s.Reason != "signal: killed" {
		t.Errorf("state %+v", s)
	}
}

func TestStopDuringBackoff(t *testing.T) {
	spec := play(t, "crash")
	spec.Restart = Policy{Min: time.Hour, Max: time.Hour}
	p := supervise(t, spec)
	eventually(t, func() error {
		if s := p.State(); s.Phase != Backoff {
			return fmt.Errorf("state %+v", s)
		}
		return nil
	})
	stop(t, p)
}

func TestRestart(t *testing.T) {
	p := supervise(t, play(t, "serve"))
	before := p.State().PID
	p.Restart("health check failed")
	eventually(t, func() error {
		if s := p.State(); s.Phase != Ready || s.PID == before || s.Reason != "health check failed" {
			return fmt.Errorf("state %+v", s)
		}
		return nil
	})
}

func TestGroupEndsWithTheChild(t *testing.T) {
	for _, how := range []string{"stop", "crash"} {
		t.Run(how, func(t *testing.T) {
			var book logbook
			spec := play(t, "parent")
			spec.Logger = slog.New(&book)
			p := supervise(t, spec)
			grandchild := numberAfter(t, book.await(t, "grandchild ").Message)
			if !alive(grandchild) {
				t.Fatal("no grandchild")
			}
			if how == "stop" {
				stop(t, p)
			} else if err := syscall.Kill(p.State().PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			gone(t, grandchild)
		})
	}
}

func numberAfter(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text[strings.LastIndex(text, " ")+1:])
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

func TestOutput(t *testing.T) {
	t.Run("flood", func(t *testing.T) {
		var book logbook
		spec := play(t, "flood")
		spec.Logger = slog.New(&book)
		p := supervise(t, spec)
		stop(t, p)
		if n := book.count("noise"); n != 20000 {
			t.Errorf("%d lines of 20000", n)
		}
	})
	t.Run("huge line", func(t *testing.T) {
		var book logbook
		spec := play(t, "huge")
		spec.Logger = slog.New(&book)
		supervise(t, spec)
		if rec := book.await(t, "xxx"); len(rec.Message) != maxLineBytes || rec.Level != slog.LevelInfo {
			t.Errorf("%d bytes at %s", len(rec.Message), rec.Level)
		}
		if book.count("xxx") != 1 {
			t.Error("the rest of the line was logged too")
		}
	})
	t.Run("panic", func(t *testing.T) {
		var book logbook
		var h history
		spec := play(t, "panic")
		spec.Logger, spec.OnState = slog.New(&book), h.add
		supervise(t, spec)
		for _, line := range []string{"panic: out of cheese", "goroutine 1"} {
			if rec := book.await(t, line); rec.Level != slog.LevelError {
				t.Errorf("%q at %s", line, rec.Level)
			}
		}
		eventually(t, func() error {
			s, ok := h.last(Backoff)
			if !ok || !slices.Contains(s.Stderr, "panic: out of cheese") || len(s.Stderr) > tailLines {
				return fmt.Errorf("state %+v", s)
			}
			return nil
		})
	})
}

func TestEnvironmentIsNearlyEmpty(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	t.Setenv("HANDED_OVER", "yes")
	t.Setenv("PATH", "/bin")
	spec := play(t, "environ")
	spec.Env = []string{"OWN=1", "HANDED_OVER", "NOT_SET"}
	_, err := Start(t.Context(), spec)
	if err == nil {
		t.Fatal("no error")
	}
	for text, want := range map[string]bool{"OWN=1": true, "HANDED_OVER=yes": true, "PATH=/bin": true, "hidden": false,
		"NOT_SET": false} {
		if strings.Contains(err.Error(), text) != want {
			t.Errorf("%q in environment: %v, want %v: %v", text, !want, want, err)
		}
	}
}

func TestHammer(t *testing.T) {
	p := supervise(t, play(t, "crash"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				p.Restart("hammer")
				_ = p.State()
			}
			if i%2 == 0 {
				ctx, cancel := context.WithTimeout(context.Background(), latticetest.Patience)
				defer cancel()
				if err := p.Stop(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := p.State(); s.Phase != Stopped || s.PID != 0 {
		t.Errorf("state %+v", s)
	}
}
