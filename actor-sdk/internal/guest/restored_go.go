//go:build wasip1 && weft_restore && !tinygo && go1.26 && !go1.27

package guest

import _ "unsafe" // for go:linkname

// restored is called by the host in an instance that was made from a snapshot of another, before anything else. Without
// it both would go on with the same random numbers: Go's runtime asks the system for a seed once, when it starts. So it
// is started over: the runtime's global generator, then that of the only thread there is, from which math/rand, the
// seeds of maps and the choices of select come.
//
// The runtime offers no such function, and so its own ones are reached by name, which needs -ldflags=-checklinkname=0
// and this file to match the release of Go; see the build constraint. "weft build" passes both. Without them the actor
// has no weft_restored, and hosts initialise each instance instead of copying one.
//
//go:wasmexport weft_restored
func restored() {
	if !globalRand.seeded {
		panic("actor: this release of Go keeps its random numbers elsewhere; build without the tag weft_restore")
	}
	globalRand.seeded = false
	randinit() // from the host's random numbers
	mrandinit(getm())
	runOnRestore()
}

// globalRand is the runtime's variable of that name.
//
//go:linkname globalRand runtime.globalRand
var globalRand struct {
	lock   uintptr
	seed   [32]byte
	state  [304]byte
	seeded bool
}

//go:linkname randinit runtime.randinit
func randinit()

//go:linkname mrandinit runtime.mrandinit
func mrandinit(m uintptr)

//go:linkname getm runtime.getm
func getm() uintptr

func runOnRestore() {
	for _, f := range onRestore {
		f()
	}
}
