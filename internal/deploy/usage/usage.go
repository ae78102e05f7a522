// Package usage has the error for settings that make no sense: a command line, or a value that stands for a part of it.
package usage

import (
	"errors"
	"fmt"
)

// Error says that a setting makes no sense. Nothing was done; the command line shows it as a mistake in its use. Its
// text is that of Err.
type Error struct{ Err error }

func (e Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e Error) Unwrap() error { return e.Err }

// Errorf makes an Error as fmt.Errorf does.
func Errorf(format string, args ...any) error { return Error{fmt.Errorf(format, args...)} }

// Is reports whether err, or an error that it wraps, is an Error.
func Is(err error) bool {
	var e Error
	return errors.As(err, &e)
}
