// Package output collects what processes and loggers of a test write, to be read while they go on.
package output

import (
	"bytes"
	"sync"
)

// Text is an io.Writer that can be read at any time. The zero value is empty. It is safe for concurrent use.
type Text struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer. It never fails.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.Write(p)
}

// String is all that was written so far.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
