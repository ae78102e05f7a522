//go:build unix

package background

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

func start(t *testing.T, script string) (*Process, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p, err := Start(log, "/bin/sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return p, path
}

// A program in the background leads a session of its own, so that the end of a terminal does not end it. Its report is
// read while it runs, and what it writes to standard error is in the log.
func TestAProgramReportsThatItServes(t *testing.T) {
	p, log := start(t, `echo noise >&2; echo '{"pid":'$$'}'; exec sleep 600`)
	defer func() { _ = Terminate(p.PID()); _ = p.Wait() }()
	var got struct{ PID int }
	if err := p.Await(t.Context(), &got); err != nil || got.PID != p.PID() {
		t.Fatalf("%+v, %v; want pid %d", got, err, p.PID())
	}
	if group, err := syscall.Getpgid(p.PID()); err != nil || group != p.PID() {
		t.Errorf("it is in group %d, %v; want its own, %d", group, err, p.PID())
	}
	if text, err := os.ReadFile(log); err != nil || string(text) != "noise\n" {
		t.Errorf("log %q, %v", text, err)
	}
}

func TestAProgramThatEndsWithoutAReportIsAnError(t *testing.T) {
	p, _ := start(t, "exit 3")
	err := p.Await(t.Context(), new(struct{}))
	if !errors.Is(err, lattice.ErrInternal) || !strings.Contains(err.Error(), "exit status 3; see its log") {
		t.Error(err)
	}
}

// Whoever gives up waiting ends the program, too.
func TestCancelingTheWaitEndsTheProgram(t *testing.T) {
	p, _ := start(t, "exec sleep 600")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Await(ctx, new(struct{})); err == nil || !strings.Contains(err.Error(), "signal: terminated") {
		t.Error(err)
	}
}
