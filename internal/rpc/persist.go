package rpc

import (
	"context"
	"errors"
	"time"

	"github.com/weftlattice/weft/lattice"
)

// pauses come before a call that found no responder is made again. A provider that was killed is back in a tenth of a
// second, and an actor that is moved sooner, so that callers need not notice.
var pauses = []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond}

// Persist makes a call. While ctx lasts it makes the call again, after a pause, when no server was there to begin it.
func Persist(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		result, err := call()
		if attempt == len(pauses) || !nobody(err) {
			return result, err
		}
		select {
		case <-time.After(pauses[attempt]):
		case <-ctx.Done():
			return result, err
		}
	}
}

// nobody reports whether this very call found nobody, rather than one that the target made. The NATS server says so,
// too, where it chose a subscription of the queue group that leaves at this moment. It does not look for another one
// that has come before that.
func nobody(err error) bool {
	var e *lattice.Error
	return errors.As(err, &e) && e.Code == lattice.ErrNoResponders && !e.Remote
}

// Unserved says of a call that found nobody what that means; other errors are returned as they are.
func Unserved(err error, means string) error {
	var e *lattice.Error
	if !nobody(err) || !errors.As(err, &e) || e.Detail != "" {
		return err
	}
	said := *e
	said.Detail = means
	return &said
}
