package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/output"
)

// process is one that a test has started, at the head of a process group of its own.
type process struct {
	t      *testing.T
	name   string
	stdout string // file
	stderr string // file
	cmd    *exec.Cmd
	ended  chan struct{}
}

// launch starts a process that ends with the test.
func launch(t *testing.T, dir, name string, env []string, path string, args ...string) *process {
	t.Helper()
	p := spawn(t, dir, name, env, path, args...)
	t.Cleanup(p.close)
	return p
}

// spawn starts a process. Its output goes to files in dir. The caller calls close at the end of the test.
func spawn(t *testing.T, dir, name string, env []string, path string, args ...string) *process {
	t.Helper()
	file := filepath.Join(dir, name)
	for n := 2; exists(file + ".out"); n++ { // started again
		file = filepath.Join(dir, fmt.Sprintf("%s-%d", name, n))
	}
	p := &process{t: t, name: name, stdout: file + ".out", stderr: file + ".err", ended: make(chan struct{})}
	open := func(path string) *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	out, errs := open(p.stdout), open(p.stderr)
	defer out.Close()
	defer errs.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = env, dir, out, errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	keeper.hold(p.pid())
	go func() {
		_ = p.cmd.Wait() // how it ended is of no interest, tests look at what it did
		keeper.release(p.pid())
		close(p.ended)
	}()
	return p
}

// close ends the process, gently at first, and shows the end of its output when the test has failed.
func (p *process) close() {
	p.end()
	p.noFaults()
	if p.t.Failed() {
		p.t.Logf("---- end of the output of %s\n%s%s", p.name, tail(p.stdout, 1<<10), tail(p.stderr, 4<<10))
	}
}

// hangUp is kill -HUP.
func (p *process) hangUp() error { return p.cmd.Process.Signal(syscall.SIGHUP) }

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// noFaults fails the test when the process or one of its providers has panicked, the race detector found something, or
// a client tried what NATS does not permit: the log of the server and that of the client say so.
func (p *process) noFaults() {
	b, err := os.ReadFile(p.stderr)
	if err != nil {
		p.t.Error(err)
	}
	for _, line := range output.Faults(string(b)) {
		p.t.Errorf("%s: %s", p.name, line)
	}
}

// slowEnd is how long a process may take to end without being mentioned in the test's log.
const slowEnd = 3 * time.Second

// end asks the process to end, kills it when it does not, and fails the test when a descendant is left.
func (p *process) end() {
	if p.alive() {
		family := descendants(p.pid())
		begun := time.Now()
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
			if took := time.Since(begun); took > slowEnd {
				p.t.Logf("%s took %v to end\n%s", p.name, took.Round(time.Millisecond), tail(p.stderr, 2<<10))
			}
		case <-time.After(latticetest.Patience):
			p.t.Errorf("%s did not end within %v of SIGTERM", p.name, latticetest.Patience)
			_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
			<-p.ended
		}
		p.orphans(family)
	}
}

// kill is kill -9 of the process alone, as a crash would be. It returns the descendants that it had.
func (p *process) kill() family {
	family := descendants(p.pid())
	p.t.Cleanup(func() { p.orphans(family) })
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.ended
	return family
}

// orphans waits until no member of a family lives and kills those that do, which fails the test.
func (p *process) orphans(f family) {
	p.t.Helper()
	if err := latticetest.Await(f.gone); err != nil {
		p.t.Errorf("%s left processes behind: %v", p.name, err)
		f.kill()
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail returns the last bytes of a file, for people.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}

// relative is one process of a family; start tells it from a later process with the same id.
type relative struct {
	pid   int
	start string
	what  string
}

type family []relative

// gone is nil when no process of the family runs any more.
func (f family) gone() error {
	var left []string
	for _, r := range f {
		if s, ok := readStat(r.pid); ok && s.start == r.start && s.state != "Z" && s.state != "X" {
			left = append(left, fmt.Sprintf("%d (%s)", r.pid, r.what))
		}
	}
	if left != nil {
		return errors.New("alive: " + strings.Join(left, ", "))
	}
	return nil
}

func (f family) kill() {
	for _, r := range f {
		if s, ok := readStat(r.pid); ok && s.start == r.start {
			_ = syscall.Kill(r.pid, syscall.SIGKILL)
		}
	}
}

// stat is what /proc tells of a process.
type stat struct {
	pid, parent, group int
	state, start, name string
}

func readStat(pid int) (stat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	s := stat{pid: pid}
	open, end := strings.IndexByte(string(b), '('), strings.LastIndexByte(string(b), ')')
	if open < 0 || end < open {
		return stat{}, false
	}
	s.name = string(b[open+1 : end])
	fields := strings.Fields(string(b[end+1:]))
	if len(fields) < 20 {
		return stat{}, false
	}
	s.state, s.start = fields[0], fields[19]
	if _, err := fmt.Sscan(fields[1], &s.parent); err != nil {
		return stat{}, false
	}
	if _, err := fmt.Sscan(fields[2], &s.group); err != nil {
		return stat{}, false
	}
	return s, true
}

// allProcesses reads /proc.
func allProcesses() []stat {
	var all []stat
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		var pid int
		if _, err := fmt.Sscan(filepath.Base(d), &pid); err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			all = append(all, s)
		}
	}
	return all
}

// descendants are all processes below one, by parentage and by the groups of its children.
func descendants(pid int) family {
	all := allProcesses()
	in := map[int]bool{pid: true}
	groups := map[int]bool{}
	var out family
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if !in[s.pid] && (in[s.parent] || groups[s.group]) {
				in[s.pid], grown = true, true
				if s.group == s.pid {
					groups[s.group] = true
				}
				what, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.pid))
				out = append(out, relative{s.pid, s.start, strings.ReplaceAll(strings.TrimRight(string(what), "\x00"),
					"\x00", " ")})
			}
		}
	}
	return out
}

// group are the processes of a process group.
func group(pgid int) family {
	var out family
	for _, s := range allProcesses() {
		if s.group == pgid {
			out = append(out, relative{s.pid, s.start, s.name})
		}
	}
	return out
}
