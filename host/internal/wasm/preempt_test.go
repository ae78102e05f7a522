package wasm_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// While guests compute on all processors, the world can be stopped and other goroutines go on.
func TestGuestsCanBePreempted(t *testing.T) {
	long.Test(t, "lets guests compute for seconds")
	m := compile(t, newEngine(t), load(t, "hostile"))
	var wg sync.WaitGroup
	for n := range 2 * runtime.GOMAXPROCS(0) {
		i := instantiate(t, m, wasm.Limits{Execution: time.Second}, &host{})
		wg.Go(func() {
			_, err := i.Call(t.Context(), []string{"L", "F"}[n%2], nil)
			if lattice.CodeOf(err) != lattice.ErrInterrupted {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	stops := 0
	var longest time.Duration
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			var stats runtime.MemStats
			began := time.Now()
			runtime.ReadMemStats(&stats) // stops the world
			longest = max(longest, time.Since(began))
			stops++
		}
	}
	t.Logf("stopped %d times, the longest took %v", stops, longest)
	if stops < 5 || longest > 500*time.Millisecond { // else it waits until the guests have ended, once or twice
		t.Errorf("stopped the world only %d times while guests ran for a second; the longest took %v", stops, longest)
	}
}
