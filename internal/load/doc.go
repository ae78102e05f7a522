// Package load bounds how much a process does at once, the same for all ways by which calls come (packages rpc and
// channel).
//
// Admission decides by the time that a call would wait. A Queue applies it to one endpoint, before an instance; an
// Entrance applies it before another process of this machine. A Budget bounds the bytes of large payloads in memory, of
// which a call that is served holds a Room. A Gate holds calls back for a moment.
package load
