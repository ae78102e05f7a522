//go:build !linux

package wasm

import (
	"errors"
	"os"
)

// Without files in memory that can be mapped, images are copied.

func imageFile([]byte) (*os.File, error) { return nil, nil }
func (*image) mapOnto([]byte) error      { return errors.ErrUnsupported }
func (*image) look() error               { return errors.ErrUnsupported }
func (*image) restore([]byte) error      { return errors.ErrUnsupported }
func (*image) release()                  {}
