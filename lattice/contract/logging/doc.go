// Package logging is the builtin contract wasmcloud:builtin:logging: the host writes an actor's log.
//
// The argument of WriteLog is an Entry:
//
//	payload := logging.Entry{Level: logging.Info, Text: "started"}.Encode()
//
// Actors in Go use actor-sdk/log instead. Values are plain, and all functions are safe for concurrent use. Errors are
// lattice.ErrInvalid.
package logging
