// Package artifact turns references into bytes: a module or a provider archive from a file of this machine, from the
// lattice's store or from a registry, and an archive into an executable file.
//
// A host caches on disk, under its digest, what comes from the store or a registry, and verifies it whenever it reads
// it. It also remembers what tags meant. So it starts again what it had before without a network. Files are read anew
// each time.
package artifact
