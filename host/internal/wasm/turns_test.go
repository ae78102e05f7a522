package wasm_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
)

// Where one guest may compute at a time, those that never end keep neither others from ending nor themselves from being
// stopped, whether they compute, grow their memory, or have grown it to the most that they may have.
func TestGuestsThatComputeTakeTurns(t *testing.T) {
	long.Test(t, "lets guests compute for seconds")
	e := newEngine(t)
	e.Turns(1)
	m := compile(t, e, load(t, "busy"))
	work := func(pages, times uint32) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil,
			pages), times), 0)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, endless := range []struct {
		kind  string
		pages uint32
	}{{"L", 0}, {"R", 0}, {"P", 0}, {"L", 1000}} {
		i := instantiate(t, m, wasm.Limits{Execution: 1 << 40}, &host{})
		wg.Go(func() {
			_, err := i.Call(ctx, endless.kind, work(endless.pages, 0))
			if lattice.CodeOf(err) != lattice.ErrCanceled {
				t.Errorf("%s: %v", endless.kind, err)
			}
		})
	}
	for range 3 { // some 100 ms of work each
		if _, err := instantiate(t, m, wasm.Limits{Execution: 1 << 40}, &host{}).Call(t.Context(), "L",
			work(0, 200_000_000)); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
}
