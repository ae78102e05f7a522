//go:build !unix

package socket

import "errors"

const supported = false

func read(uintptr, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func write(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
func broken(uintptr) bool                { return false }
