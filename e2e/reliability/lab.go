//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/output"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// binaries are what is tried out.
type binaries struct {
	dir, weft string
	echo      string // actor that needs no store
	counter   string // actor that needs a store
	stream    string // component whose answers are streams
}

func build() (b *binaries, err error) {
	b = &binaries{}
	if b.dir, err = os.MkdirTemp("", "weft-reliability-"); err != nil {
		return nil, err
	}
	b.weft, b.echo, b.counter = filepath.Join(b.dir, "weft"), b.module("echo"), b.module("kvcounter")
	dir, err := root()
	if err != nil {
		return nil, err
	}
	b.stream = filepath.Join(dir, "host/internal/component/testdata/stream.wasm")
	err = errors.Join(goBuild(nil, b.weft, "./cmd/weft"), b.actor("echo"), b.actor("kvcounter"))
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *binaries) module(name string) string { return filepath.Join(b.dir, name, name+".wasm") }

func (b *binaries) actor(name string) error {
	err := goBuild([]string{"GOOS=wasip1", "GOARCH=wasm"}, b.module(name), "./actor-sdk/examples/"+name,
		"-tags", "weft_restore", "-ldflags", "-s -w -checklinkname=0", "-buildmode=c-shared")
	if err != nil {
		return err
	}
	root, err := root()
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(root, "actor-sdk/examples", name, "actor.yaml"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(b.module(name)), "actor.yaml"), manifest, 0o600)
}

func (b *binaries) close() { _ = os.RemoveAll(b.dir) }

func root() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
}

func goBuild(env []string, out, pkg string, args ...string) error {
	dir, err := root()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", out}, args...), pkg)...)
	cmd.Env, cmd.Dir = append(append(os.Environ(), "CGO_ENABLED=0"), env...), dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// Ports of the two routes on each host.
const (
	echoPort  = 8080
	storePort = 8081
)

// lab is one lattice: a NATS server, three hosts and a client, each a machine on a network.
type lab struct {
	*binaries
	net   *network
	dir   string
	nats  *process
	hosts []*host
	all   []*process // in the order of starting
}

// host is a machine with a host on it.
type host struct {
	*process
	machine string
	address string
	ID      lattice.HostID `json:"id"`
	env     []string
}

func (h *host) url(port int) string { return fmt.Sprintf("http://%s:%d/", h.address, port) }

// open starts a lattice and deploys to it. The lab is to be closed even with an error.
func (b *binaries) open(ctx context.Context, deploy func(*lab, context.Context) error) (l *lab, err error) {
	l = &lab{binaries: b}
	if l.dir, err = os.MkdirTemp(b.dir, "lab"); err != nil {
		return l, err
	}
	if l.net, err = newNetwork(fmt.Sprintf("weft%d", os.Getpid())); err != nil {
		return l, err
	}
	for machine, n := range map[string]int{"nats": 1, "a": 11, "b": 12, "c": 13, "client": 100} {
		if err := l.net.join(machine, n); err != nil {
			return l, err
		}
	}
	if err := l.startNATS(ctx); err != nil {
		return l, err
	}
	if _, err := l.token(ctx, "operator"); err != nil {
		return l, err
	}
	for i, machine := range []string{"a", "b", "c"} {
		h := &host{machine: machine, address: fmt.Sprintf("%s%d", subnet, 11+i)}
		token, err := l.token(ctx, "host")
		if err != nil {
			return l, err
		}
		h.env = []string{"WEFT_JOIN=" + token, "WEFT_DATA_DIR=" + filepath.Join(l.dir, machine)}
		l.hosts = append(l.hosts, h)
	}
	for _, h := range l.hosts {
		if err := l.startHost(ctx, h); err != nil {
			return l, err
		}
	}
	return l, deploy(l, ctx)
}

// token makes a token for a role and returns its file.
func (l *lab) token(ctx context.Context, role string) (string, error) {
	file := filepath.Join(l.dir, fmt.Sprintf("%s-%d.token", role, len(l.hosts)))
	out, err := l.weftIn(ctx, "nats", []string{"WEFT_DATA_DIR=" + filepath.Join(l.dir, "nats")}, "token", "create",
		"--role", role)
	if err == nil {
		err = os.WriteFile(file, []byte(out), 0o600)
	}
	return file, err
}

// startNATS starts the NATS server, again after a kill: with the same data.
func (l *lab) startNATS(ctx context.Context) (err error) {
	var out output.Text
	if l.nats, err = l.start("nats", "nats", &out, []string{"WEFT_DATA_DIR=" + filepath.Join(l.dir, "nats")}, l.weft,
		"nats", "run", "-o", "json", "--nats-listen", subnet+"1"); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, func() error { return l.up(l.nats, &out, new(struct{})) })
}

// emptyStore removes all that JetStream keeps for the lattice. The server must not run.
func (l *lab) emptyStore() error {
	found := 0
	err := filepath.WalkDir(filepath.Join(l.dir, "nats"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "jetstream" {
			return err
		}
		found++
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return fs.SkipDir
	})
	if err == nil && found == 0 {
		err = errors.New("no store found")
	}
	return err
}

// up reads what a process prints once it serves.
func (l *lab) up(p *process, out *output.Text, into any) error {
	err := json.Unmarshal([]byte(out.String()), into)
	if err != nil && !p.alive() {
		return fmt.Errorf("it has ended: %s", p.log.String())
	}
	return err
}

// startHost starts a host, again after a kill.
func (l *lab) startHost(ctx context.Context, h *host) (err error) {
	var out output.Text
	if h.process, err = l.start(h.machine, "host "+h.machine, &out, h.env, l.weft, "host", "run", "-o", "json",
		"--name", h.machine); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, func() error { return l.up(h.process, &out, h) })
}

// deploy starts on each host what serves the routes, and returns when all of them answer on all hosts.
func (l *lab) deploy(ctx context.Context) error {
	for _, h := range l.hosts {
		if err := l.deployTo(ctx, h); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"link", "put", "echo", "httpserver", fmt.Sprintf("address=0.0.0.0:%d", echoPort)},
		{"link", "put", "kvcounter", "httpserver", fmt.Sprintf("address=0.0.0.0:%d", storePort)},
		{"link", "put", "kvcounter", "keyvalue-nats"},
	} {
		if _, err := l.operate(ctx, args...); err != nil {
			return err
		}
	}
	for _, h := range l.hosts {
		for _, port := range []int{echoPort, storePort} {
			if err := l.answers(ctx, h.url(port)); err != nil {
				return err
			}
		}
	}
	return nil
}

// deployTo starts what serves the routes on one host, as an operator or a deployer does with one that was started anew:
// a host brings nothing back by itself.
func (l *lab) deployTo(ctx context.Context, h *host) error {
	for _, args := range [][]string{
		{"provider", "start", "httpserver", "--host", h.machine}, {"provider", "start", "keyvalue-nats", "--host",
			h.machine},
		{"actor", "start", l.echo, "--host", h.machine, "--max", "4"}, {"actor", "start", l.counter, "--host",
			h.machine, "--max", "4"},
	} {
		if _, err := l.operate(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// operate runs a command of an operator, at the client's machine.
func (l *lab) operate(ctx context.Context, args ...string) (string, error) {
	return l.weftIn(ctx, "client", []string{"WEFT_JOIN=" + filepath.Join(l.dir, "operator-0.token"),
		"WEFT_DATA_DIR=" + filepath.Join(l.dir, "client")}, args...)
}

// pid is the process of a provider on a host.
func (l *lab) pid(ctx context.Context, h *host, name string) (int, error) {
	out, err := l.operate(ctx, "host", "inventory", h.machine, "-o", "json")
	if err != nil {
		return 0, err
	}
	var inv control.HostInventory
	if err := json.Unmarshal([]byte(out), &inv); err != nil {
		return 0, err
	}
	for _, p := range inv.Providers {
		if p.Name == name && p.PID != 0 {
			return p.PID, nil
		}
	}
	return 0, fmt.Errorf("no process of %s on %s: %s", name, h.machine, out)
}

func (l *lab) weftIn(ctx context.Context, machine string, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.net.ns(machine), l.weft}, args...)...)
	cmd.Env, cmd.Dir, cmd.WaitDelay = environment(l.dir, env), l.dir, time.Second
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("weft %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// output runs a program on a machine and returns what it prints.
func (l *lab) output(machine string, args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", l.net.ns(machine)}, args...)...).Output()
	return string(out), err
}

func environment(dir string, more []string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir()}, more...)
}

// said is what the processes have written, the end of each.
func (l *lab) said() string {
	var b strings.Builder
	for _, p := range l.all {
		text := p.log.String()
		fmt.Fprintf(&b, "---- %s\n%s\n", p.name, text[max(0, len(text)-8<<10):])
	}
	return b.String()
}

// faults are what no process may write, with the name of the process.
func (l *lab) faults() (lines []string) {
	for _, p := range l.all {
		for _, line := range output.Faults(p.log.String()) {
			lines = append(lines, p.name+": "+line)
		}
	}
	return lines
}

// end ends all processes.
func (l *lab) end() {
	for i := len(l.all) - 1; i >= 0; i-- {
		l.all[i].stop()
	}
}

func (l *lab) close() {
	l.end()
	if l.net != nil {
		if err := l.net.close(); err != nil {
			fmt.Fprintln(os.Stderr, "reliability:", err)
		}
	}
}

// process is one that runs on a machine, at the head of a process group of its own.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *output.Text
	ended chan struct{}
}

func (l *lab) start(machine, name string, out io.Writer, env []string, path string, args ...string) (*process, error) {
	return l.startWith(nil, machine, name, out, env, path, args...)
}

// startWith is start of a process that reads.
func (l *lab) startWith(in io.Reader, machine, name string, out io.Writer, env []string, path string,
	args ...string) (*process, error) {
	p := &process{name: name, log: &output.Text{}, ended: make(chan struct{})}
	p.cmd = exec.Command("ip", append(append([]string{"netns", "exec", l.net.ns(machine)}, l.net.clock(machine)...),
		append([]string{path}, args...)...)...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = environment(l.dir, env), l.dir, in, out, p.log
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	l.all = append(l.all, p)
	go func() { // stop waits for it
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	return p, nil
}

// signal reaches the process itself: "ip netns exec" and "unshare" have become it.
func (p *process) signal(s syscall.Signal) error { return syscall.Kill(p.cmd.Process.Pid, s) }

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop ends the process, also when it is stopped, and waits for it.
func (p *process) stop() {
	if !p.alive() {
		return
	}
	_ = p.signal(syscall.SIGCONT)
	_ = p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// kill ends it at once.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL)
	<-p.ended
	return err
}

// until tries something again and again until it succeeds.
func until(ctx context.Context, limit time.Duration, try func() error) error {
	end := time.Now().Add(limit)
	for {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
