package wasm_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// work is a guest that goes on until it is stopped.
type work struct {
	name, op string
	pages    uint32 // that the memory grows by
	size     uint32 // bytes or elements at a time
	guest    string // default "busy"
	request  []byte // default: what the guest "busy" wants
}

// payload asks the guest "busy" for work; times 0 is for ever.
func (w work) payload(times uint32) []byte {
	if w.request != nil {
		return w.request
	}
	b := binary.LittleEndian.AppendUint32(nil, w.pages)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, times), w.size)
}

// kinds of work, with memories of so many pages.
func works(pages uint32) []work {
	return []work{
		{name: "loop", op: "L"},
		{name: "recursion", op: "R"},
		{name: "call_indirect", op: "I"},
		{name: "loads all over the memory", op: "W", pages: pages},
		{name: "memory.fill", op: "F", pages: pages},
		{name: "memory.copy", op: "C", pages: pages},
		{name: "memory.init, 8 MiB", op: "M", pages: 129, size: 8 << 20},
		{name: "memory.grow by 0", op: "P"},
		{name: "table.fill, 2^20", op: "f", size: 1 << 20},
		{name: "table.copy, 2^20", op: "c", size: 1 << 20},
		{name: "table.init, 4", op: "i"},
		{name: "table.grow by 1", op: "g", size: 1},
		{name: "table.grow by 2^18", op: "g", size: 1 << 18},
		{name: "stock Go: loop", op: "loop", guest: "go"},
		{name: "stock Go: memory", op: "bomb", guest: "go"},
	}
}

// enlarge replaces the data section, the last one of the guest "busy", by one passive segment of that size.
func enlarge(t testing.TB, code []byte, size int) []byte {
	t.Helper()
	for at := 8; at < len(code); {
		n, width := binary.Uvarint(code[at+1:])
		if code[at] == 11 {
			data := append(binary.AppendUvarint([]byte{1, 1}, uint64(size)), make([]byte, size)...)
			return append(binary.AppendUvarint(append(slices.Clone(code[:at]), 11), uint64(len(data))), data...)
		}
		at += 1 + width + int(n)
	}
	t.Fatal("no data section")
	return nil
}

// lateness is by how much calls outlast their deadlines, sorted.
type lateness struct {
	wall []time.Duration // on the clock: the machine's and the runtime's part included
	cpu  []time.Duration // that the guest's thread computed meanwhile: its own part, whatever else the machine does
}

// computed is the processor time of a thread.
func computed(thread int) time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(int32(^thread<<3|6), &ts) // CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED
	return time.Duration(ts.Nano())
}

// late stops calls at their deadlines. The garbage collector runs all the while.
func late(t testing.TB, m *wasm.Module, w work, rounds int) lateness {
	t.Helper()
	env := manyVariables()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := unix.Gettid()
	ctx, cancel := context.WithCancel(t.Context())
	collecting := make(chan struct{})
	go func() {
		defer close(collecting)
		for ctx.Err() == nil {
			runtime.GC()
		}
	}()
	defer func() { cancel(); <-collecting }()
	var l lateness
	for n := range rounds {
		i, err := m.Instantiate(t.Context(), wasm.Limits{MemoryBytes: 4 << 30, HostCalls: 1 << 30}, &idle{}, env)
		if err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(30*time.Millisecond + time.Duration(n%10)*time.Millisecond)
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		ended := make(chan time.Duration, 1)
		context.AfterFunc(ctx, func() { ended <- computed(thread) })
		_, err = i.Call(ctx, w.op, w.payload(0))
		l.wall = append(l.wall, time.Since(deadline))
		after := computed(thread)
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if code := lattice.CodeOf(err); code == lattice.ErrTimeout {
			l.cpu = append(l.cpu, max(0, after-<-ended))
		} else if w.op != "bomb" || code != lattice.ErrMemory {
			t.Fatal(err)
		}
		cancel()
	}
	slices.Sort(l.wall)
	slices.Sort(l.cpu)
	return l
}

// waiting is the same for a goroutine that only waits for its deadline: what the machine and the runtime are late by.
func waiting(t testing.TB, rounds int) []time.Duration {
	t.Helper()
	var all []time.Duration
	for range rounds {
		deadline := time.Now().Add(30 * time.Millisecond)
		ctx, cancel := context.WithDeadline(t.Context(), deadline)
		<-ctx.Done()
		all = append(all, time.Since(deadline))
		cancel()
	}
	slices.Sort(all)
	return all
}

// guestsOf compiles what the works need.
func guestsOf(t testing.TB) map[string]*wasm.Module {
	e := newEngine(t)
	return map[string]*wasm.Module{"": compile(t, e, enlarge(t, load(t, "busy"), 8<<20)),
		"go": compile(t, e, loadGo(t))}
}

// Whatever a guest does, it stops soon after its deadline; how soon is for BenchmarkStop. When it returns on the clock
// depends on what else wants the processor.
func TestGuestsStopAtTheirDeadline(t *testing.T) {
	long.Test(t, "lets guests run into their deadlines many times")
	m := guestsOf(t)
	for _, w := range works(1 << 10) {
		t.Run(w.name, func(t *testing.T) {
			l := late(t, m[w.guest], w, 7)
			if len(l.cpu) == 0 {
				t.Fatal("no call got as far as its deadline")
			}
			half, most := l.cpu[len(l.cpu)/2], l.cpu[len(l.cpu)-1]
			t.Logf("computed for %v after the deadline, at most %v; on the clock %v at most", half, most,
				l.wall[len(l.wall)-1])
			// BenchmarkStop tells the truth; the race detector and a busy machine are slow
			if half > 200*time.Millisecond {
				t.Error("too late")
			}
		})
	}
}

// Whatever function of the host a guest is in, with whatever arguments, it stops as soon.
func TestHostFunctionsStopAtTheirDeadline(t *testing.T) {
	long.Test(t, "lets guests run into their deadlines many times")
	e := newEngine(t)
	for _, h := range others(e, hards()) {
		t.Run(h.String(), func(t *testing.T) {
			m := h.guest(t, e)
			defer m.Close(t.Context())
			l := late(t, m, work{op: "x", request: make([]byte, 16<<20)}, 3)
			if len(l.cpu) == 0 {
				t.Fatal("no call got as far as its deadline")
			}
			half, most := l.cpu[len(l.cpu)/2], l.cpu[len(l.cpu)-1]
			t.Logf("computed for %v after the deadline, at most %v; on the clock %v at most", half, most,
				l.wall[len(l.wall)-1])
			if half > 200*time.Millisecond {
				t.Error("too late")
			}
		})
	}
}

// BenchmarkStop tells for how long guests compute after their deadlines, and when they return on the clock; and
// "waiting" how late the machine itself is.
func BenchmarkStop(b *testing.B) {
	m := guestsOf(b)
	report := func(b *testing.B, what string, all []time.Duration) {
		if len(all) == 0 {
			b.Fatal("no call got as far as its deadline")
		}
		for name, n := range map[string]int{"p50": len(all) / 2, "p99": len(all) * 99 / 100, "max": len(all) - 1} {
			b.ReportMetric(float64(all[n].Microseconds())/1000, what+"-"+name+"-ms")
		}
		b.ReportMetric(0, "ns/op")
	}
	const rounds = 60
	for _, pages := range []uint32{1 << 10, 1 << 14, 65533} {
		for _, w := range works(pages) {
			name := w.name
			if strings.Contains("FCW", w.op) {
				name += fmt.Sprintf(", %d MiB", pages>>4)
			} else if pages > 1<<10 {
				continue
			}
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					l := late(b, m[w.guest], w, rounds)
					report(b, "cpu", l.cpu)
					report(b, "wall", l.wall)
				}
			})
		}
	}
	b.Run("waiting", func(b *testing.B) {
		for b.Loop() {
			report(b, "wall", waiting(b, rounds))
		}
	})
}
