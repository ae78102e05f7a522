package actor

import "github.com/weftlattice/weft/actor-sdk/internal/guest"

// OnRestore makes fn run whenever a host has set the actor's memory back to how it was after the initialisation: in
// each instance that is copied from the first one, and with "weft actor start --instances fresh" after every call. What
// package-level variables hold then comes from that first instance.
//
// math/rand, crypto/rand, maps and time need nothing: they go on with numbers and the time of their own. An actor needs
// this if it seeds a generator of its own, makes an id, or remembers the time, while it is initialised. Call it from
// init. It only ever runs in actors made by "weft build", since in others every instance initialises itself.
func OnRestore(fn func()) { guest.OnRestore(fn) }
