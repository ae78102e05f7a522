//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/guard"
	"github.com/weftlattice/weft/internal/latticetest"
)

const readyLine = "weft:ready"

// TestMain makes the test binary play the child, the guard and the host: its first argument says which.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		role, ok := roles[os.Args[2]]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such role")
			os.Exit(64)
		}
		role(os.Args[3:])
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

var roles = map[string]func(args []string){
	"serve": func([]string) { // a well-behaved provider
		in := bufio.NewReader(os.Stdin)
		line, _ := in.ReadString('\n')
		fmt.Fprintln(os.Stderr, "got "+strings.TrimSpace(line))
		fmt.Println(readyLine)
		_, _ = in.ReadByte() // the end of standard input
	},
	"listen": func(args []string) { // answers further lines; "deaf" does not
		in := bufio.NewReader(os.Stdin)
		_, _ = in.ReadString('\n')
		fmt.Println(readyLine)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			switch strings.TrimSpace(line) {
			case "ignore":
			case "end":
				os.Exit(8)
			default:
				fmt.Println("noise")
				fmt.Println("heard " + strings.TrimSpace(line))
			}
		}
	},
	"silent": func([]string) { fmt.Fprintln(os.Stderr, "thinking"); forever() },
	"exit": func(args []string) {
		fmt.Fprintln(os.Stderr, "cannot bind: address in use")
		code, _ := strconv.Atoi(args[0])
		os.Exit(code)
	},
	"crash": func([]string) { fmt.Println(readyLine); os.Exit(3) },
	"once": func(args []string) { // ready the first time only
		if _, err := os.Stat(args[0]); err == nil {
			os.Exit(5)
		}
		_ = os.WriteFile(args[0], nil, 0o600)
		fmt.Println(readyLine)
		os.Exit(4)
	},
	"serveonce": func(args []string) { // serves the first time only
		if _, err := os.Stat(args[0]); err == nil {
			os.Exit(5)
		}
		_ = os.WriteFile(args[0], nil, 0o600)
		fmt.Println(readyLine)
		_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	},
	"deaf": func([]string) { // hears neither the end of input nor SIGTERM
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(readyLine)
		forever()
	},
	"term": func([]string) { // ends on SIGTERM only, and says so
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGTERM)
		fmt.Println(readyLine)
		<-c
		os.Exit(7)
	},
	"parent": func([]string) { // leaves a deaf grandchild that holds the pipes
		cmd := exec.Command(os.Args[0], "play", "deaf")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, "grandchild", cmd.Process.Pid)
		fmt.Println(readyLine)
		_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	},
	"flood": func([]string) {
		for i := range 20000 {
			fmt.Fprintln(os.Stderr, "noise", i)
		}
		fmt.Println(readyLine)
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
	},
	"huge": func([]string) {
		fmt.Println(strings.Repeat("x", 1<<20))
		fmt.Println(readyLine)
		_, _ = bufio.NewReader(os.Stdin).ReadByte()
	},
	"panic":   func([]string) { fmt.Println(readyLine); panic("out of cheese") },
	"environ": func([]string) { fmt.Fprintln(os.Stderr, strings.Join(os.Environ(), " ")); os.Exit(1) },
	"guard":   func([]string) { _ = guard.Run(os.Stdin, os.Stdout) },
	"mute":    func([]string) { forever() },
	"host": func([]string) { // a host with a guarded provider that has a grandchild; it tells all pids
		g, err := StartGuard(context.Background(), os.Args[0], []string{"play", "guard"}, nil)
		if err != nil {
			panic(err)
		}
		_, err = Start(context.Background(), Spec{Path: os.Args[0], Args: []string{"play", "parent"},
			ReadyLine:        readyLine,
			RequireReadyLine: true, Guard: g, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
			OnState: func(s State) {
				if s.Phase == Ready {
					fmt.Println("provider", s.PID)
				}
			}})
		if err != nil {
			panic(err)
		}
		fmt.Println("up")
		forever()
	},
}

func forever() {
	time.Sleep(time.Minute) // orphans of a failed test end by themselves
}

func self(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func play(t *testing.T, role string, args ...string) Spec {
	t.Helper()
	return Spec{Path: self(t), Args: append([]string{"play", role}, args...), ReadyLine: readyLine,
		RequireReadyLine: true,
		Env:              []string{"GORACE=atexit_sleep_ms=0"}, // else every end takes a second
		Stdin:            func() []byte { return []byte("host data\n") },
		Restart:          Policy{Min: time.Millisecond, Max: 20 * time.Millisecond}}
}

// supervise starts a spec and stops it with the test.
func supervise(t *testing.T, spec Spec) *Process {
	t.Helper()
	p, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, p) })
	return p
}

func stop(t *testing.T, p *Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), latticetest.Patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(latticetest.Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// alive tells whether a process runs. A zombie does not: in a container nobody may collect orphans.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) || !procfs()
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func procfs() bool { _, err := os.Stat("/proc/self/stat"); return err == nil }

func gone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

// logbook is a slog.Handler that keeps everything.
type logbook struct {
	mu      sync.Mutex
	records []slog.Record
}

func (l *logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l *logbook) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logbook) WithGroup(string) slog.Handler            { return l }
func (l *logbook) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r.Clone())
	return nil
}

func (l *logbook) find(message string) (slog.Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		if strings.HasPrefix(r.Message, message) {
			return r, true
		}
	}
	return slog.Record{}, false
}

func (l *logbook) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.records {
		if strings.HasPrefix(r.Message, message) {
			n++
		}
	}
	return n
}

func (l *logbook) await(t *testing.T, message string) slog.Record {
	t.Helper()
	var rec slog.Record
	eventually(t, func() error {
		var ok bool
		if rec, ok = l.find(message); !ok {
			return fmt.Errorf("no log record %q", message)
		}
		return nil
	})
	return rec
}
