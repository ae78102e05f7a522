package wasmbin

import (
	"strings"
	"testing"
)

// What the engine does not run is refused by its name, with what to build with instead.
func TestFeaturesAreRefusedWithAWayOut(t *testing.T) {
	for _, f := range []Feature{Exceptions, GarbageTypes, TypedReferences, TailCalls, Threads, WideMemory, ManyMemories,
		RelaxedVectors} {
		r := &Reader{What: "section type", Base: 16}
		r.Lacks(f)
		if got := r.Err.Error(); !strings.Contains(got, "section type at byte 0x10: "+string(f)+
			" not supported: build ") {
			t.Errorf("%s", got)
		}
	}
}
