package attack

import (
	"fmt"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/shape"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Generated modules on a host: each runs or is refused with a word for why, calls of it end, and none takes more of the
// host than the limits of an actor and of its compiler. host/internal/wasm TestShapes tries many more.
func TestShapes(t *testing.T) {
	const (
		shapes = 16
		// of the host and its children, the compiler of up to 1 GiB not counted: it ends before the look
		mostMemory = 512 << 20
		mostCPU    = time.Minute
		mostLog    = 1 << 20
	)
	r := newRig(t)
	for seed := uint64(1000); seed < 1000+shapes; seed++ {
		r.attack(fmt.Sprint("shape ", seed), func(t *testing.T) {
			before, logged := r.host.usage(t), size(t, r.host.stderr)
			ref, id := r.module(fmt.Sprint("shape-", seed), shape.Module(seed, 64<<10))
			code, text := r.start(ref, control.ActorLimits{ExecutionMs: 200})
			switch code {
			case 0:
				_, err := r.call(id, "Shape.Call", []byte("payload"))
				t.Logf("called: %q", fmt.Sprint(err))
				if err := r.ctl.StopActor(t.Context(), control.StopActorRequest{ActorID: id,
					HostID: r.ID}); err != nil {
					t.Error(err)
				}
			case lattice.ErrBadModule:
				t.Logf("refused: %s", text)
			default:
				t.Errorf("%s: %s", code.Name(), text)
			}
			after := r.host.usage(t)
			if after.now > mostMemory {
				t.Errorf("the host has %d MiB in memory", after.now>>20)
			}
			if used := after.cpu - before.cpu; used > mostCPU {
				t.Errorf("it took %v of processor", used)
			}
			if n := size(t, r.host.stderr) - logged; n > mostLog {
				t.Errorf("%d bytes were logged", n)
			}
		})
	}
}
