package attack

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/logging"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

// Addresses in the memory of a flooding guest.
const (
	addrNamespace = 1 << 10
	addrOperation = 2 << 10
	addrPayload   = 4 << 10
	addrVector    = 512 // an iovec: the payload of one write
)

// flood is an actor whose every call does one thing for ever: it calls imported function 0 with the given arguments.
func flood(imported []byte, params, results int, payload []byte, namespace, operation string, args ...int) []byte {
	m := newModule()
	typ := append([]byte{0x60, byte(params)}, bytes.Repeat([]byte{i32}, params)...)
	m.types = append(m.types, append(append(typ, byte(results)), bytes.Repeat([]byte{i32}, results)...))
	m.imports = [][]byte{join(imported, []byte{0, 2})}
	m.memory = []byte{0, 4}
	vector := []byte{0, addrPayload >> 8, 0, 0, byte(len(payload)), byte(len(payload) >> 8), byte(len(payload) >> 16),
		0}
	for at, b := range map[int][]byte{addrNamespace: []byte(namespace), addrOperation: []byte(operation),
		addrPayload: payload, addrVector: vector} {
		m.data = append(m.data, join([]byte{0, opConst}, sleb(at), []byte{opEnd}, sized(b)))
	}
	code := []byte{0, opLoop, void}
	for _, a := range args {
		code = join(code, []byte{opConst}, sleb(a))
	}
	code = append(code, opCall, 0)
	if results > 0 {
		code = append(code, opDrop)
	}
	m.bodies[0] = sized(append(code, opBr, 0, opEnd, opConst, 1, opEnd))
	return m.bytes()
}

// hostCalls floods the host with calls to a namespace.
func hostCalls(namespace, operation string, payload []byte) []byte {
	return flood(join(name("wasmbus"), name("__host_call")), 8, 1, payload, namespace, operation,
		addrNamespace, 0, addrNamespace, len(namespace), addrOperation, len(operation), addrPayload, len(payload))
}

func sleb(v int) []byte {
	for b := []byte{}; ; v >>= 7 {
		low := byte(v & 0x7f)
		if v>>7 == 0 && low&0x40 == 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// Actors that log, print, draw random numbers and call others without end are stopped at a limit of their own, and what
// they write is bounded on the way to the host's log, its memory and NATS.
func TestFloods(t *testing.T) {
	r := newRig(t)
	line := bytes.Repeat([]byte("flood "), 10_000)
	entry := logging.Entry{Level: "error", Text: string(line[:40_000])}.Encode()
	// which the log and NATS escape
	null, invalid := bytes.Repeat([]byte{0}, 40_000), bytes.Repeat([]byte{0xff}, 40_000)
	limits := control.ActorLimits{ExecutionMs: 2000}
	for _, f := range []struct {
		name  string
		code  []byte
		caps  []lattice.ContractID
		want  lattice.Code
		words string
		logs  bool
	}{
		{"console log", flood(join(name("wasmbus"), name("__console_log")), 2, 0, line, "", "", addrPayload,
			len(line)), nil, lattice.ErrInterrupted, "2s", true},
		{"standard output", flood(join(name("wasi_snapshot_preview1"), name("fd_write")), 4, 1, line, "", "", 1,
			addrVector, 1, 256), nil, lattice.ErrInterrupted, "2s", true},
		{"standard error", flood(join(name("wasi_snapshot_preview1"), name("fd_write")), 4, 1, line, "", "", 2,
			addrVector, 1, 256), nil, lattice.ErrInterrupted, "2s", true},
		{"null bytes to the console", flood(join(name("wasmbus"), name("__console_log")), 2, 0, null, "", "",
			addrPayload, len(null)), nil, lattice.ErrInterrupted, "2s", true},
		{"null bytes to standard output", flood(join(name("wasi_snapshot_preview1"), name("fd_write")), 4, 1, null, "",
			"", 1, addrVector, 1, 256), nil, lattice.ErrInterrupted, "2s", true},
		{"invalid UTF-8 to the logging contract", hostCalls(string(logging.ID), logging.WriteLog,
			logging.Entry{Level: "error", Text: string(invalid)}.Encode()),
			[]lattice.ContractID{logging.ID}, 0, "", true},
		{"logging contract", hostCalls(string(logging.ID), logging.WriteLog, entry), []lattice.ContractID{logging.ID},
			0, "", true},
		{"random numbers", hostCalls("wasmcloud:builtin:numbergen", "NumberGen.Random32", nil),
			[]lattice.ContractID{"wasmcloud:builtin:numbergen"}, 0, "", false},
		{"a contract that it has no claim to", hostCalls("wasmcloud:keyvalue", "KeyValue.Get", []byte("\xa1k")), nil,
			0, "", false},
		{"a contract without a link", hostCalls("wasmcloud:keyvalue", "KeyValue.Get", []byte("\xa1k")),
			[]lattice.ContractID{"wasmcloud:keyvalue"}, 0, "", false},
		{"random bytes from the system", flood(join(name("wasi_snapshot_preview1"), name("random_get")), 2, 1, line,
			"", "", addrPayload, len(line)), nil, lattice.ErrInterrupted, "2s", false},
	} {
		r.attack(f.name, func(t *testing.T) {
			ref, id := r.module("flood "+f.name, f.code, f.caps...)
			if code, text := r.start(ref, limits); code != 0 {
				t.Fatal(text)
			}
			stream, err := r.nc.SubscribeSync(subject.Log(r.env.Lattice, id))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stream.Unsubscribe() }()
			logged, from := size(t, r.host.stderr), time.Now()
			done := make(chan error, 4)
			for range cap(done) {
				go func() {
					_, err := r.call(id, "Flood.Now", nil)
					done <- err
				}()
			}
			for range cap(done) {
				err := <-done
				code := lattice.CodeOf(err)
				// Host calls are counted; whether the count or the time is up first is up to the machine.
				if f.want != 0 && code != f.want || f.want == 0 && code != lattice.ErrTooLarge &&
					code != lattice.ErrInterrupted {
					t.Errorf("ended with %s: %v", code.Name(), err)
				}
				if code == lattice.ErrTooLarge && !strings.Contains(err.Error(), "100000 host calls") ||
					f.words != "" && !strings.Contains(err.Error(), f.words) {
					t.Errorf("the text is %q", err)
				}
			}
			if err := r.ctl.StopActor(t.Context(), control.StopActorRequest{ActorID: id, HostID: r.ID}); err != nil {
				t.Error(err)
			}
			if err := r.nc.Flush(); err != nil {
				t.Fatal(err)
			}
			messages, volume, err := stream.Pending()
			if err != nil {
				t.Fatal(err)
			}
			written := size(t, r.host.stderr) - logged
			t.Logf("%d lines and %d KiB on NATS, %d KiB in the host's log", messages, volume>>10, written>>10)
			// A burst of 256 KiB and 64 KiB a second; and what the host itself says of an actor.
			most := int64(256<<10+64<<10*time.Since(from).Seconds()) + 32<<10
			if int64(volume) > most || written > most {
				t.Errorf("more than %d KiB", most>>10)
			}
			if f.logs != (messages > 0) {
				t.Errorf("%d lines", messages)
			}
		})
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
