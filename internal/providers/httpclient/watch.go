package httpclient

import (
	"context"
	"sync"
	"time"
)

// watch ends a request whose next step takes too long. It is safe for concurrent use.
type watch struct {
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	step  int  // guarded by mu
	ended bool // guarded by mu
}

// await begins a step, which may take so long; why is the error of one that takes longer. The step before has ended.
func (w *watch) await(d time.Duration, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop(); w.ended {
		return
	}
	step := w.step
	w.timer = time.AfterFunc(d, func() {
		w.mu.Lock()
		late := w.step == step
		w.mu.Unlock()
		if late {
			w.cancel(why)
		}
	})
}

// done ends the step.
func (w *watch) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
}

// end ends the step, and lets no other one begin.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	w.ended = true
}

// stop ends the step. mu is held.
func (w *watch) stop() {
	w.step++
	if w.timer != nil {
		w.timer.Stop()
	}
}
