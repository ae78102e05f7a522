// Package artifact turns references into bytes: a module or a provider archive from a file of this machine or from the
// lattice's store, and an archive into an executable file.
//
// What comes from the lattice's store is cached on disk under its digest and verified whenever it is read, so a host
// starts again what it had before without a network. Files are read anew each time.
package artifact
