// Package artifact turns references into bytes: a module or a provider archive from a file of this machine, from the
// lattice's store or from a registry, and an archive into an executable file.
//
// What comes from the store or a registry is cached on disk under its digest and verified whenever it is read, and what
// tags meant is remembered, so a host starts again what it had before without a network. Files are read anew each time.
package artifact
