//go:build !unix

package files

import "io/fs"

// Lock does nothing here: the system has no flock.
type Lock struct{}

// TryLock always succeeds.
func TryLock(string) (*Lock, error) { return &Lock{}, nil }

// Release does nothing.
func (*Lock) Release() error { return nil }

// abandoned is nil: without locks nothing is known to be.
func abandoned(string, fs.FileInfo) *Lock { return nil }
