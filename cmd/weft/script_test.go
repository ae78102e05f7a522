//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/internal/deploy/datadir"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"weft": main})
}

// TestScript runs the command line as people do. Each script has a data directory of its own, and so keys, a lattice
// and a free NATS port of its own.
func TestScript(t *testing.T) {
	fixtures, err := filepath.Abs("../../host/internal/wasm/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			data := filepath.Join(env.WorkDir, "data")
			env.Setenv("WEFT_DATA_DIR", data)
			env.Setenv("WEFT_NATS_PORT", "-1")
			env.Setenv("WEFT_HTTP_ADDR", "127.0.0.1:0")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else every command of a -race run takes a second
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOTOOLCHAIN"} {
				env.Setenv(name, goEnv(t, name))
			}
			env.Defer(func() { endLeftover(t, data) })
			module, err := os.ReadFile(filepath.Join(fixtures, "echo.wasm"))
			if err != nil {
				return err
			}
			component, err := os.ReadFile(filepath.Join(fixtures, "../../component/testdata/hello.wasm"))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(env.WorkDir, "hello.wasm"), component, 0o644); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "echo.wasm"), module, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until,
			"corrupt": corrupt, "newport": newPort},
		Condition: func(cond string) (bool, error) {
			if cond == "short" {
				return testing.Short(), nil
			}
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func goEnv(t *testing.T, name string) string {
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out[:len(out)-1])
}

// endLeftover ends the lattice of a script that failed before its "weft down".
func endLeftover(t *testing.T, data string) {
	if u, running := datadir.Dir(data).Up(); running {
		t.Logf("ending the lattice that the script left behind, pid %d", u.PID)
		_ = unix.Kill(u.PID, unix.SIGKILL)
	}
}

// exits CODE COMMAND...: the command ends with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d\n%s", got, want, ts.ReadFile("stderr"))
	}
}

// until REGEXP COMMAND...: the command is repeated until it succeeds and its output matches. It waits long, since to
// compile an actor takes half a minute under the race detector, and rests in between, since what it waits for needs the
// processor.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND...")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && want.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("never matched %q; last: %v\n%s", args[0], err, out)
		}
	}
}

// corrupt FILE: the last byte is changed.
func corrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: corrupt FILE")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)-1] ^= 1
	ts.Check(os.WriteFile(path, data, 0o644))
}
