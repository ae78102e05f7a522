package wasm

import (
	"context"
	"sync"

	"github.com/tetratelabs/wazero/api"
)

// watch stops a guest when the context of its call ends.
//
// The flag is memory that compiled code reads while we write it, with one aligned store; Go code touches it only under mu.
// On architectures without a compiler the engine interprets, and its reads of the flag are plain Go loads.
type watch struct {
	flag api.MutableGlobal // set before the first call

	mu     sync.Mutex
	cancel context.CancelFunc // guarded by mu; of the call in progress, else nil
	call   uint64             // guarded by mu; counts calls, so that a late alarm does not hit the next one
	closed bool               // guarded by mu; every later call ends at once
}

// arm watches ctx. The function that it returns ends that, and lowers the flag.
func (w *watch) arm(ctx context.Context, cancel context.CancelFunc) (disarm func()) {
	w.mu.Lock()
	w.call++
	call := w.call
	w.cancel = cancel
	if w.closed {
		cancel()
	}
	w.mu.Unlock()
	unhook := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.call == call && w.cancel != nil {
			w.flag.Set(1)
		}
	})
	return func() {
		unhook()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancel = nil
		w.flag.Set(0)
	}
}

// stop ends the call in progress and all that follow.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.cancel != nil {
		w.cancel()
	}
}
