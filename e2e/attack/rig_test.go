package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// patience is how long anything may take on a machine that does other things, too.
const patience = latticetest.Patience

// rig is a lattice of one host, which runs a healthy actor that is called all the time.
type rig struct {
	t         *testing.T
	env       *latticetest.Env
	nc        *nats.Conn
	ctl       *control.Client
	client    *rpc.Client
	dir       string
	host      *process
	ID        lattice.HostID
	events    *nats.Subscription
	bystander *bystander
}

func newRig(t *testing.T, args ...string) *rig {
	t.Helper()
	r := &rig{t: t, env: latticetest.NATS(t), dir: t.TempDir()}
	r.nc = r.env.Conn(t)
	r.ctl = control.NewClient(r.nc, subject.Control{Prefix: subject.DefaultControlPrefix, Lattice: r.env.Lattice},
		patience)
	r.client = rpc.NewClient(r.nc, rpc.ClientConfig{Lattice: r.env.Lattice, HostID: r.env.HostID(t),
		Cluster: r.env.Cluster})
	var err error
	if r.events, err = r.nc.SubscribeSync(subject.EventAll(r.env.Lattice)); err != nil {
		t.Fatal(err)
	}
	r.host = startHost(t, r.dir, r.env.Cluster.Seed(),
		append([]string{"host", "run", "-o", "json", "--name", "attacked", "--http-addr", "127.0.0.1:0",
			"--allow-file-load",
			"--nats-url", r.env.URL, "--lattice", string(r.env.Lattice), "--data-dir", filepath.Join(r.dir, "data")},
			args...)...)
	var said struct{ ID lattice.HostID }
	latticetest.Eventually(t, func() error {
		b, err := os.ReadFile(r.host.stdout)
		if err == nil {
			err = json.Unmarshal(b, &said)
		}
		return err
	})
	r.ID = said.ID
	ref, id := r.module("bystander", echo())
	if code, text := r.start(ref); code != 0 {
		t.Fatalf("the bystander does not start: %s", text)
	}
	r.bystander = r.watch(id)
	return r
}

// module signs a module into a file and returns the reference and the id of the actor.
func (r *rig) module(name string, code []byte, caps ...lattice.ContractID) (ref string, id lattice.ActorID) {
	r.t.Helper()
	key := latticetest.NewKey(r.t, signing.KindModule)
	signed, err := signing.SignModule(code, latticetest.NewKey(r.t, signing.KindAccount), key,
		signing.ActorClaims{Name: name, Caps: caps})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.file(name+".wasm", signed), lattice.ActorID(key.Public())
}

// file writes a file and returns a reference to it.
func (r *rig) file(name string, data []byte) string {
	r.t.Helper()
	path := filepath.Join(r.dir, strings.ReplaceAll(name, " ", "-"))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return "file://" + path
}

// start starts an actor and waits until it is told to run, or why it does not; code is 0 when it does.
func (r *rig) start(ref string, limits ...control.ActorLimits) (code lattice.Code, text string) {
	r.t.Helper()
	req := control.ScaleActorRequest{ActorRef: ref, HostID: r.ID, MaxInstances: 4}
	if len(limits) > 0 {
		req.Limits = &limits[0]
	}
	if err := r.ctl.ScaleActor(context.Background(), req); err != nil {
		return lattice.CodeOf(err), err.Error()
	}
	r.await(func(d event.Data) bool {
		switch d := d.(type) {
		case event.ActorScaled:
			return d.ImageRef == ref
		case event.ActorScaleFailed:
			if d.ImageRef == ref {
				code, _ = lattice.ParseCode(d.Code)
				text = d.Error
				return true
			}
		}
		return false
	})
	return code, text
}

// await waits for an event.
func (r *rig) await(wanted func(event.Data) bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		m, err := r.events.NextMsgWithContext(ctx)
		if err != nil {
			r.t.Fatalf("waiting for an event: %v", err)
		}
		e, err := event.DecodeEvent(m.Data)
		if err != nil {
			r.t.Fatal(err)
		}
		if d, err := e.Decode(); err == nil && wanted(d) {
			return
		}
	}
}

// call calls an actor in its own name.
func (r *rig) call(id lattice.ActorID, operation string, payload []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e := wire.ActorEntity(id)
	return r.client.Call(ctx, rpc.Call{Origin: e, Target: e, Operation: operation, Payload: payload})
}

// attack runs an attack under a name and logs what it cost the host; then the bystander must have been served
// throughout.
func (r *rig) attack(name string, attack func(t *testing.T)) {
	r.t.Run(name, func(t *testing.T) {
		outer := r.t
		r.t = t
		defer func() { r.t = outer }()
		before, from := r.host.usage(t), time.Now()
		r.bystander.reset()
		attack(t)
		took, after := time.Since(from), r.host.usage(t)
		served, slowest := r.bystander.served(t)
		t.Logf("cost: %v, %v of processor, memory %d MiB -> %d MiB at most; the bystander was served %d times, "+
			"at the slowest in %v",
			took.Round(time.Millisecond), (after.cpu - before.cpu).Round(10*time.Millisecond), before.now>>20,
			after.peak>>20, served, slowest.Round(time.Millisecond))
	})
}

// process is a host under attack.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr string
	ended          bool
}

// end tells the host to end, and waits for that; code is what it has to end with.
func (p *process) end(t *testing.T, code int) {
	t.Helper()
	p.ended = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.cmd.Wait(); p.cmd.ProcessState.ExitCode() != code {
		t.Errorf("the host ended with %v, want code %d", err, code)
	}
}

func startHost(t *testing.T, dir, seed string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(weft, args...), stdout: filepath.Join(dir, "host.out"),
		stderr: filepath.Join(dir, "host.err")}
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
		"WEFT_CLUSTER_SEED=" + seed}
	create := func(path string) *os.File {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	out, errs := create(p.stdout), create(p.stderr)
	defer out.Close()
	defer errs.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			p.end(t, 0)
		}
		text, _ := os.ReadFile(p.stderr)
		if strings.Contains(string(text), "panic: ") || strings.Contains(string(text), "fatal error: ") {
			t.Error("the host panicked")
		}
		if t.Failed() {
			t.Logf("---- end of the host's log\n%s", text[max(0, len(text)-4<<10):])
		}
	})
	return p
}

// usage is what the host and its providers have used of the machine.
type usage struct {
	cpu       time.Duration
	now, peak uint64 // bytes in memory; the sum of the peaks since the last look
}

// usage reads what the processes use, and begins a new peak.
func (p *process) usage(t *testing.T) (sum usage) {
	t.Helper()
	pids := []string{fmt.Sprint(p.cmd.Process.Pid)}
	lists, _ := filepath.Glob("/proc/" + pids[0] + "/task/*/children")
	for _, list := range lists {
		children, _ := os.ReadFile(list) // the thread may have ended
		pids = append(pids, strings.Fields(string(children))...)
	}
	for n, pid := range pids {
		u, err := usageOf(pid)
		if err != nil && n == 0 {
			t.Fatal("the host has ended:", err)
		}
		sum = usage{sum.cpu + u.cpu, sum.now + u.now, sum.peak + u.peak}
	}
	return sum
}

func usageOf(pid string) (out usage, err error) {
	dir := "/proc/" + pid + "/"
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return out, err
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system uint64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return out, err
	}
	out.cpu = time.Duration(user+system) * 10 * time.Millisecond
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return out, err
	}
	for line := range strings.Lines(string(status)) {
		for key, to := range map[string]*uint64{"VmHWM:": &out.peak, "VmRSS:": &out.now} {
			if value, ok := strings.CutPrefix(line, key); ok {
				var kib uint64
				if _, err := fmt.Sscan(value, &kib); err != nil {
					return out, err
				}
				*to = kib << 10
			}
		}
	}
	_ = os.WriteFile(dir+"clear_refs", []byte("5"), 0) // where the system allows it
	return out, nil
}
