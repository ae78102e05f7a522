//go:build unix

package rpc_test

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
)

// BenchmarkCallsInFlight makes calls with MACs and bare requests of nats.go in turns, 32 in flight of each, and reports
// the processor time and the allocations of each, and the ratio of the times. Caller, server and NATS server are in
// this process, the connections between them are TCP; all of it counts. An iteration is a turn of each.
func BenchmarkCallsInFlight(b *testing.B) {
	const inFlight, each = 32, 100
	env := latticetest.NATS(b)
	call, sealed := sealedCaller(b, env, env.ActorID(b))
	bare := func() func() error { // with nats.go's own connections on both sides
		var ends [2]*nats.Conn
		for i := range ends {
			nc, err := nats.Connect(env.URL)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(nc.Close)
			ends[i] = nc
		}
		if _, err := ends[0].Subscribe("bare", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
			b.Fatal(err)
		}
		if err := ends[0].Flush(); err != nil {
			b.Fatal(err)
		}
		payload := []byte("hello")
		return func() error {
			got, err := ends[1].Request("bare", payload, 10*time.Second)
			if err == nil && !bytes.Equal(got.Data, payload) {
				err = fmt.Errorf("answer %q", got.Data)
			}
			return err
		}
	}()
	turn := func(call func() error) (cpu time.Duration, allocs uint64) {
		b.Helper()
		before, used := mallocs(), cpuTime(b)
		var wg sync.WaitGroup
		for range inFlight {
			wg.Go(func() {
				for range each {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		return cpuTime(b) - used, mallocs() - before
	}
	turn(call)
	turn(bare)
	var cpu [2]time.Duration
	var allocs [2]uint64
	turns := 0
	for b.Loop() {
		turns++
		for i, c := range [2]func() error{call, bare} {
			t, n := turn(c)
			cpu[i] += t
			allocs[i] += n
		}
	}
	n := float64(turns * inFlight * each)
	if float64(sealed.Load()) < n*9/10 {
		b.Fatalf("%d of %v calls went with a MAC", sealed.Load(), n)
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range [2]string{"call", "bare"} {
		b.ReportMetric(float64(cpu[i].Nanoseconds())/n/1e3, name+"-cpu-µs")
		b.ReportMetric(float64(allocs[i])/n, name+"-allocs")
	}
	b.ReportMetric(float64(cpu[0])/float64(cpu[1]), "call/bare")
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
