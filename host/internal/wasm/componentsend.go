package wasm

import (
	"context"
	"fmt"
	"sync"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// maxSending is how many calls of an instance are on their way at the same time.
const maxSending = 64

// sending are the calls that a guest makes while it goes on. Each has a goroutine; all of them end with the guest's own
// call, which waits for them.
type sending struct {
	tasks sync.WaitGroup
	mu    sync.Mutex
	all   map[*face.Sent]bool // guarded by mu: those in progress
}

// send is face.State.Send.
func (i *Instance) send(ctx context.Context, to *face.Sent, link lattice.LinkName, contract lattice.ContractID,
	operation string, payload []byte, beside *stream.Caller) {
	i.countHostCall()
	i.pay(costCall)
	if len(payload) > i.template.limits.HostCallBytes {
		to.End(nil, i.oversize("payload", len(payload)), nil)
		return
	}
	i.payText(len(payload))
	budget := i.template.module.engine.cfg.Memory
	if err := budget.Take("a request", uint64(len(payload))); err != nil {
		to.End(nil, err, nil)
		return
	}
	s := &i.parts.sending
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxSending {
		budget.Give(uint64(len(payload)))
		to.End(nil, &lattice.Error{Code: lattice.ErrBusy,
			Detail: fmt.Sprintf("%d calls of the instance are on their way, more are not allowed", maxSending)}, nil)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	if !to.Begin(cancel) {
		cancel()
	}
	if s.all == nil {
		s.all = map[*face.Sent]bool{}
	}
	s.all[to] = true
	s.tasks.Go(func() {
		defer cancel()
		result, err := i.answer(ctx, [3]string{string(link), string(contract), operation}, payload, beside)
		budget.Give(uint64(len(payload)))
		to.End(result, err, func() { budget.Give(uint64(len(result))) })
		s.mu.Lock()
		delete(s.all, to)
		s.mu.Unlock()
	})
}

// answer makes a call, and takes room for its answer from the memory of all guests.
func (i *Instance) answer(ctx context.Context, names [3]string, payload []byte,
	beside *stream.Caller) (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // of callHost, which has made an error of it
			result, err = nil, r.(error)
		}
	}()
	if beside != nil {
		take, counted := beside.Take, *beside
		counted.Take = func(head []byte, s *stream.Stream) error { return i.streamed(take, head, s) }
		beside = &counted
	}
	result, err = callHost(ctx, i.template.host, names, payload, beside)
	switch {
	case err != nil:
		return nil, err
	case len(result) > i.template.limits.HostCallBytes:
		return nil, i.oversize("response", len(result))
	}
	if err := i.template.module.engine.cfg.Memory.Take("a response", uint64(len(result))); err != nil {
		return nil, err
	}
	return result, nil
}

// streamed has a streamed answer taken, of which the head counts while it is.
func (i *Instance) streamed(take func([]byte, *stream.Stream) error, head []byte, s *stream.Stream) error {
	budget := i.template.module.engine.cfg.Memory
	if err := budget.Take("a response", uint64(len(head))); err != nil {
		return err
	}
	defer budget.Give(uint64(len(head)))
	return take(head, s)
}

// end cancels the calls in progress, and waits for them.
func (s *sending) end() {
	s.mu.Lock()
	for sent := range s.all {
		sent.Cancel()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}
