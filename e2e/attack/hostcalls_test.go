package attack

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/rpc"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/wire"
)

// Where work lies in the memory of a guest that lets the host work: a list at the beginning, then what it names.
const (
	workList  = 500_000     // vectors
	workFrom  = 4 << 20     // behind the list
	workBytes = 32 << 20    // that each vector names
	workPages = 36<<4 + 1   // of memory
	workOut   = 36<<20 + 64 // for results
)

// worker is an actor whose every call lets the host do one thing, that takes long, for ever: it calls an imported
// function with the arguments; letters are the types of its parameters, i or l. Before it fills what its vectors name.
func worker(module, function, letters string, result bool, fill byte, args ...int) []byte {
	const opAdd, opLess, opTee, opSet, opGet, i64 = 0x6a, 0x49, 0x22, 0x21, 0x20, 0x7e
	m := newModule()
	typ := []byte{0x60, byte(len(letters))}
	for _, l := range letters {
		typ = append(typ, map[rune]byte{'i': i32, 'l': i64}[l])
	}
	if result {
		typ = append(typ, 1, i32)
	} else {
		typ = append(typ, 0)
	}
	m.types = append(m.types, typ)
	m.imports = [][]byte{join(name(module), name(function), []byte{0, 2})}
	m.memory = join([]byte{0}, uleb(workPages))
	constant := func(v int) []byte { return append([]byte{opConst}, sleb(v)...) }
	code := join([]byte{0}, constant(workFrom), constant(int(fill)), constant(workBytes), []byte{0xfc, 11, 0},
		constant(0), []byte{opSet, 0, opLoop, void},
		[]byte{opGet, 0}, constant(workFrom), []byte{opStore, 2, 0},
		[]byte{opGet, 0}, constant(workBytes), []byte{opStore, 2, 4},
		[]byte{opGet, 0}, constant(8), []byte{opAdd, opTee, 0}, constant(8*workList), []byte{opLess, opBrIf, 0, opEnd},
		[]byte{opLoop, void})
	for n, a := range args {
		c := constant(a)
		if letters[n] == 'l' {
			c[0] = 0x42
		}
		code = append(code, c...)
	}
	code = append(code, opCall, 0)
	if result {
		code = append(code, opDrop)
	}
	m.bodies[0] = sized(append(code, opBr, 0, opEnd, opConst, 1, opEnd))
	return m.bytes()
}

// workers are attacks by functions of the host that would work for very long.
func workers() map[string][]byte {
	const wasi = "wasi_snapshot_preview1"
	return map[string][]byte{
		"500 000 vectors of 32 MiB to standard output": worker(wasi, "fd_write", "iiii", true, 0, 1, 0, workList,
			workOut),
		"as many, of lines, to standard error": worker(wasi, "fd_write", "iiii", true, '\n', 2, 0, workList,
			workOut),
		"as many, from standard input": worker(wasi, "fd_read", "iiii", true, 0, 0, 0, workList,
			workOut),
		"as many to a place in a file": worker(wasi, "fd_pwrite", "iiili", true, 0, 1, 0, workList, 0,
			workOut),
		"as many to a socket": worker(wasi, "sock_send", "iiiii", true, 0, 1, 0, workList, 0,
			workOut),
		"32 MiB of random bytes": worker(wasi, "random_get", "ii", true, 0, workFrom, workBytes),
		"500 000 sleeps at once": worker(wasi, "poll_oneoff", "iiii", true, 0, 0, 8*workList,
			workList, workOut),
		"a sleep of 292 years": worker(wasi, "poll_oneoff", "iiii", true, 0xff, 0, workFrom, 1,
			workOut),
		"clocks without end":   worker(wasi, "clock_time_get", "ili", true, 0, 0, 0, workOut),
		"yielding without end": worker(wasi, "sched_yield", "", true, 0),
		"a path of 32 MiB": worker(wasi, "path_open", "iiiiillii", true, '/', 0, 0,
			workFrom, workBytes, 0, 0, 0, 0, workOut),
		"a folder's entries into 32 MiB": worker(wasi, "fd_readdir", "iiili", true, 0, 0, workFrom,
			workBytes, 0, workOut),
		"arguments without end": worker(wasi, "args_get", "ii", true, 0, 0, workFrom),
		"32 MiB of response": worker("wasmbus", "__guest_response", "ii", false, 0, workFrom,
			workBytes),
		"32 MiB of error": worker("wasmbus", "__guest_error", "ii", false, 0xff, workFrom,
			workBytes),
		"32 MiB to the console": worker("wasmbus", "__console_log", "ii", false, 0, workFrom,
			workBytes),
		"calls with 32 MiB": worker("wasmbus", "__host_call", "iiiiiiii", true, 'x',
			workFrom, workBytes, workFrom, workBytes, workFrom, workBytes, workFrom, workBytes),
		"calls with 32 MiB to the log": hostCallWork("wasmcloud:builtin:logging", "Logging.WriteLog"),
	}
}

// hostCallWork calls a contract with 32 MiB of payload.
func hostCallWork(namespace, operation string) []byte {
	entry := append([]byte("\x92\xa4info\xdb"), byte((workBytes-11)>>24), byte((workBytes-11)>>16&0xff),
		byte((workBytes-11)>>8&0xff), byte((workBytes-11)&0xff))
	m := flood(join(name("wasmbus"), name("__host_call")), 8, 1, entry, namespace, operation,
		addrNamespace, 0, addrNamespace, len(namespace), addrOperation, len(operation), addrPayload, workBytes)
	return enlargeMemory(m)
}

// enlargeMemory gives the module of flood, whose memory is 4 pages, that of workers.
func enlargeMemory(m []byte) []byte {
	old := join([]byte{5}, sized(join(uleb(1), []byte{0, 4})))
	return []byte(strings.Replace(string(m), string(old),
		string(join([]byte{5}, sized(join(uleb(1), []byte{0}, uleb(workPages))))), 1))
}

// A function of the host that a guest lets work for very long ends at the call's limit.
func TestHostCallsEndAtTheLimit(t *testing.T) {
	r := newRig(t)
	for what, code := range workers() {
		r.attack(what, func(t *testing.T) {
			ref, id := r.module("worker "+what, code, "wasmcloud:builtin:logging")
			if code, text := r.start(ref, control.ActorLimits{ExecutionMs: 1000}); code != 0 {
				t.Fatal(text)
			}
			logged, from := size(t, r.host.stderr), time.Now()
			_, err := r.call(id, "Work.On", nil)
			took := time.Since(from)
			// Host calls are counted, too; whether the count or the time is up first is up to the machine.
			if code := lattice.CodeOf(err); code != lattice.ErrInterrupted && !(code == lattice.ErrTooLarge &&
				strings.Contains(err.Error(), "host calls")) {
				t.Errorf("after %v it ended with %v", took, err)
			}
			t.Logf("a module of %d bytes; ended after %v", len(code), took)
			if took > time.Minute {
				t.Errorf("ended after %v, the limit is a second", took)
			}
			if written := size(t, r.host.stderr) - logged; written > 2<<20 {
				t.Errorf("%d KiB in the host's log", written>>10)
			}
			if err := r.ctl.StopActor(t.Context(), control.StopActorRequest{ActorID: id, HostID: r.ID}); err != nil {
				t.Error(err)
			}
			r.await(func(d event.Data) bool {
				s, ok := d.(event.ActorScaled)
				return ok && s.ImageRef == ref && s.MaxInstances == 0
			})
		})
	}
}

// While a guest lets the host work, "actor stop" stops it, and the end of the host ends it.
func TestHostCallsEndWithTheActorAndTheHost(t *testing.T) {
	for _, ends := range []string{"actor", "host"} {
		t.Run(ends, func(t *testing.T) {
			r := newRig(t, "--drain-timeout", "1s")
			errs, begun := make(chan error, 100), 0
			var actors []lattice.ActorID
			for what, code := range workers() {
				ref, id := r.module("worker "+what, code, "wasmcloud:builtin:logging")
				if code, text := r.start(ref, control.ActorLimits{ExecutionMs: 600_000}); code != 0 {
					t.Fatal(text)
				}
				actors = append(actors, id)
				begun++
				go func() {
					_, err := r.call(id, "Work.On", nil)
					errs <- err
				}()
			}
			// all of them work, but for those that have made their number of calls
			latticetest.Eventually(t, func() error {
				inventory, err := r.ctl.Inventory(t.Context(), r.ID)
				if err != nil {
					return err
				}
				running := 0
				for _, a := range inventory.Actors {
					if a.Instances[0].Running > 0 {
						running++
					}
				}
				if running < begun {
					return errors.New("not all have begun")
				}
				return nil
			})
			from := time.Now()
			if ends == "actor" {
				for _, id := range actors {
					if err := r.ctl.StopActor(t.Context(), control.StopActorRequest{ActorID: id,
						HostID: r.ID}); err != nil {
						t.Fatal(err)
					}
				}
				for stopped := 0; stopped < begun; {
					r.await(func(d event.Data) bool {
						if f, ok := d.(event.ActorScaleFailed); ok {
							t.Fatalf("an actor is not stopped: %+v", f)
						}
						s, ok := d.(event.ActorScaled)
						return ok && s.MaxInstances == 0
					})
					stopped++
				}
			} else {
				r.bystander.end()
				r.host.end(t, 4) // it says what it cut off
			}
			took := time.Since(from)
			t.Logf("%d actors ended after %v", begun, took)
			if took > time.Minute {
				t.Errorf("they ended after %v, the time to drain is a second", took)
			}
			for range begun {
				if err := <-errs; err == nil {
					t.Error("a call without end went well")
				}
			}
		})
	}
}

// A host whose log is not read, so that each actor that logs waits for ever, ends all the same when it is told to. Its
// exit code says so.
func TestHostEndsThoughNobodyReadsItsLog(t *testing.T) {
	r := newRig(t)
	unread, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	dir := t.TempDir()
	cmd := exec.Command(weft, "host", "run", "-o", "json", "--name", "unread", "--http-addr", "127.0.0.1:0",
		"--allow-file-load", "--drain-timeout", "1s",
		"--nats-url", r.env.URL, "--lattice", string(r.env.Lattice), "--data-dir", filepath.Join(dir, "data"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + os.TempDir(),
		"WEFT_CLUSTER_SEED=" + r.env.Cluster.Seed()}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	log.Close()
	defer func() { _ = cmd.Process.Kill() }()
	var said struct{ ID lattice.HostID }
	if err := json.NewDecoder(out).Decode(&said); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	ref, id := r.module("writer", flood(join(name("wasmbus"), name("__console_log")), 2, 0,
		[]byte(strings.Repeat("x", 8000)), "", "", addrPayload, 8000))
	if err := r.ctl.ScaleActor(context.Background(), control.ScaleActorRequest{ActorRef: ref, HostID: said.ID,
		MaxInstances: 1,
		Limits:       &control.ActorLimits{ExecutionMs: 600_000}}); err != nil {
		t.Fatal(err)
	}
	r.await(func(d event.Data) bool { s, ok := d.(event.ActorScaled); return ok && s.ImageRef == ref })
	ended := make(chan error, 1)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	go func() {
		_, err := r.client.Call(ctx, rpc.Call{Origin: wire.ActorEntity(id), Target: wire.ActorEntity(id),
			Operation: "Write.On"})
		ended <- err
	}()
	latticetest.Eventually(t, func() error { // the pipe is full
		lines, err := r.ctl.Logs(t.Context(), said.ID, id, 0)
		if err == nil && len(lines) < 5 {
			err = errors.New("it has not written yet")
		}
		return err
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	from := time.Now()
	err = cmd.Wait()
	t.Logf("ended after %v: %v", time.Since(from), err)
	if code := cmd.ProcessState.ExitCode(); code != 8 {
		t.Errorf("the host ended with code %d, want 8", code)
	}
	giveUp()
	<-ended
}
