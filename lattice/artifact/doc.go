// Package artifact keeps modules and provider archives in the lattice itself: in a JetStream object store, under the
// digest of their bytes. Whoever is in the lattice can push one and every host can start it, without a registry.
//
//	ref, err := artifact.Push(ctx, js, "default", "echo", module) // lattice://echo@sha256:...
//	r, err := artifact.ParseReference(ref)
//	r.Tag = "1.0"
//	err = artifact.Tag(ctx, js, "default", r)                     // lattice://echo:1.0 means it from now on
//
// An artifact has at most MaxBytes. An operation whose context has no deadline ends after a minute. All functions
// are safe for concurrent use.
package artifact
