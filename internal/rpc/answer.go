package rpc

import (
	"bytes"
	"context"
	"io"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/load"
)

// Answer is the payload of an answer. It is not safe for concurrent use.
type Answer struct {
	io.Reader
	bytes  []byte
	length int64
	object *chunks.Object // nil when it came in the message
	budget *load.Budget
	held   int64
	on     *session // stays until the answer is closed
	closed bool     // and its object deleted
}

// NewAnswer is an answer that is all in memory.
func NewAnswer(payload []byte) *Answer {
	return &Answer{Reader: bytes.NewReader(payload), bytes: payload, length: int64(len(payload))}
}

// NewHeldAnswer is an answer that is all in memory and of which so much is held of a budget until it is closed.
func NewHeldAnswer(payload []byte, b *load.Budget, held int64) *Answer {
	a := NewAnswer(payload)
	a.budget, a.held = b, held
	return a
}

// Len is the length of the whole payload.
func (a *Answer) Len() int64 { return a.length }

// Bytes is the whole payload when it is in memory.
func (a *Answer) Bytes() ([]byte, bool) { return a.bytes, a.object == nil }

// All reads the rest of the answer into memory, where it is counted until Close. ctx bounds the wait for room; see
// load.Budget.
func (a *Answer) All(ctx context.Context) ([]byte, error) {
	if a.object != nil {
		if err := a.budget.Acquire(ctx, "response", a.length); err != nil {
			return nil, err
		}
		a.held += a.length
	}
	return io.ReadAll(a)
}

// Close deletes what the store has of the answer.
func (a *Answer) Close() error {
	if a.object == nil {
		a.budget.Release(a.held)
		a.held = 0
		return nil
	}
	if a.closed {
		return nil
	}
	a.closed = true
	defer a.on.calls.Done()
	a.budget.Release(a.held)
	return a.object.Close()
}
