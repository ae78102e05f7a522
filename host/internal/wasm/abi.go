package wasm

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/weftlattice/weft/host/internal/component/face"
	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
)

// wapcFuncs are the functions of the waPC ABI. Pointers and lengths are 32 bits wide and name the guest's memory. What
// the host hands over it writes to a place that the guest has made, after the guest was told the length.
var wapcFuncs = []hostFunc{
	{"__host_call", "iiiiiiii", "i", costCall, (*Instance).hostCall},
	{"__guest_request", "ii", "", costLeast, (*Instance).guestRequest},
	{"__guest_response", "ii", "", costLeast, (*Instance).guestResponse},
	{"__guest_error", "ii", "", costLeast, (*Instance).guestError},
	{"__host_response_len", "", "i", costLeast, (*Instance).hostResponseLen},
	{"__host_response", "i", "", costLeast, (*Instance).hostResponse},
	{"__host_error_len", "", "i", costLeast, (*Instance).hostErrorLen},
	{"__host_error", "i", "", costLeast, (*Instance).hostError},
	{"__console_log", "ii", "", costText, (*Instance).consoleLog},
}

// exchange holds what guest and host hand each other during one call.
type exchange struct {
	operation string
	payload   []byte

	response   []byte
	guestError string

	stdout, stderr face.Sink // of a component that runs as a command; nil: the log

	hostCalls    int
	hostResponse []byte // readable until the next host call
	hostError    string // likewise
}

// guestRequest writes the operation and the payload to where the guest wants them. Their lengths are the arguments of
// __guest_call.
func (i *Instance) guestRequest(_ context.Context, stack []uint64) {
	write(i, "__guest_request operation", stack[0], i.exchange.operation)
	write(i, "__guest_request payload", stack[1], i.exchange.payload)
}

// guestResponse takes the response. A guest may call it more than once; the last one counts. The bytes are copied,
// since the guest may change its memory before it returns.
func (i *Instance) guestResponse(ctx context.Context, stack []uint64) {
	b := i.read("__guest_response", stack[0], stack[1])
	if len(b) > i.template.limits.ResponseBytes {
		panic(&lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("response of %d bytes, %d allowed", len(b), i.template.limits.ResponseBytes)})
	}
	i.turn.Give() // there may be no room yet
	if err := i.template.host.Reserve(ctx, len(b)); err != nil {
		panic(err)
	}
	i.exchange.response = i.clone(b)
}

// guestError takes the text of the error with which the guest is about to end. Only its beginning is kept: it goes to
// logs and into an answer.
func (i *Instance) guestError(_ context.Context, stack []uint64) {
	b := i.read("__guest_error", stack[0], stack[1])
	i.payText(min(len(b), maxErrorBytes))
	i.exchange.guestError = clip.Text(b, maxErrorBytes)
}

// hostResponseLen is the length of the response to the last host call, and 0 after one that failed.
func (i *Instance) hostResponseLen(_ context.Context, stack []uint64) {
	stack[0] = uint64(len(i.exchange.hostResponse))
}

func (i *Instance) hostResponse(_ context.Context, stack []uint64) {
	write(i, "__host_response", stack[0], i.exchange.hostResponse)
}

// hostErrorLen is the length of the error of the last host call, and 0 after one that succeeded.
func (i *Instance) hostErrorLen(_ context.Context, stack []uint64) {
	stack[0] = uint64(len(i.exchange.hostError))
}

func (i *Instance) hostError(_ context.Context, stack []uint64) {
	write(i, "__host_error", stack[0], i.exchange.hostError)
}

func (i *Instance) consoleLog(ctx context.Context, stack []uint64) {
	b := i.read("__console_log", stack[0], stack[1])
	i.payText(min(len(b), maxLogBytes))
	i.template.host.Log(ctx, Console, clip.Text(b, maxLogBytes))
}

// hostCall performs an outbound call: 1 means that there is a response, 0 that there is an error.
func (i *Instance) hostCall(ctx context.Context, stack []uint64) {
	x := &i.exchange
	x.hostError = ""
	i.hold(nil)
	i.countHostCall()
	var names [3]string
	for n, what := range [...]string{"__host_call binding", "__host_call namespace", "__host_call operation"} {
		b := i.read(what, stack[2*n], stack[2*n+1])
		if len(b) > maxNameBytes {
			x.hostError = fmt.Sprintf("%s of %d bytes, %d allowed", what, len(b), maxNameBytes)
		}
		names[n] = string(b[:min(len(b), maxNameBytes)])
	}
	payload := i.read("__host_call payload", stack[6], stack[7])
	if len(payload) > i.template.limits.HostCallBytes {
		x.hostError = i.oversize("payload", len(payload)).Error()
	}
	if x.hostError == "" {
		i.payText(len(payload)) // it is hashed, encoded, sent
		// The copy is the host's to keep: it may outlive the guest's next instruction, or the guest.
		_, err := i.outward(ctx, names, i.clone(payload))
		if err == nil {
			stack[0] = 1
			return
		}
		x.hostError = clip.Text(err.Error(), maxErrorBytes)
	}
	if x.hostError == "" {
		x.hostError = "host call failed"
	}
	stack[0] = 0
}

// countHostCall bounds the host calls within one call: each may cost the lattice far more than the guest.
func (i *Instance) countHostCall() {
	if i.exchange.hostCalls++; i.exchange.hostCalls > i.template.limits.HostCalls {
		panic(&lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("more than %d host calls in one call", i.template.limits.HostCalls)})
	}
}

// outward performs an outbound call, while others have the guest's turn. Its response is held until the next one.
// Errors are for the guest; it does not return when the guest's own call has ended.
func (i *Instance) outward(ctx context.Context, names [3]string, payload []byte) ([]byte, error) {
	i.turn.Give()
	out, err := callHost(ctx, i.template.host, names, payload, nil)
	if ctx.Err() != nil {
		panic(errStopped) // no need to let the guest run to its next check
	}
	switch {
	case err != nil:
		return nil, err
	case len(out) > i.template.limits.HostCallBytes:
		return nil, i.oversize("response", len(out))
	}
	i.payText(len(out))
	return out, i.hold(out)
}

// ask is face.State.Ask: an outbound call that the host makes for what a component imports.
func (i *Instance) ask(ctx context.Context, link lattice.LinkName, contract lattice.ContractID, operation string,
	payload []byte) ([]byte,
	error) {
	i.countHostCall()
	i.pay(costCall)
	if err := i.hold(nil); err != nil {
		return nil, err
	}
	if len(payload) > i.template.limits.HostCallBytes {
		return nil, i.oversize("payload", len(payload))
	}
	i.payText(len(payload))
	return i.outward(ctx, [3]string{string(link), string(contract), operation}, payload)
}

// hold keeps a response for the guest, in the place of the one before, in the memory of all guests.
func (i *Instance) hold(response []byte) error {
	x, budget := &i.exchange, i.template.module.engine.cfg.Memory
	budget.Give(uint64(len(x.hostResponse)))
	x.hostResponse = nil
	if err := budget.Take("a response", uint64(len(response))); err != nil {
		return err
	}
	x.hostResponse = response
	return nil
}

func (i *Instance) oversize(what string, size int) error {
	return &lattice.Error{Code: lattice.ErrTooLarge,
		Detail: fmt.Sprintf("%s of a host call has %d bytes, %d allowed", what, size, i.template.limits.HostCallBytes)}
}

// callHost keeps a panic of the host's own code from being taken for a fault of the guest.
func callHost(ctx context.Context, h Host, names [3]string, payload []byte, beside *stream.Caller) ([]byte, error) {
	defer func() {
		if r := recover(); r != nil {
			panic(&lattice.Error{Code: lattice.ErrInternal, Op: "host call", Err: fmt.Errorf("panic: %v\n%s", r,
				debug.Stack())})
		}
	}()
	return h.HostCall(ctx, lattice.LinkName(names[0]), lattice.ContractID(names[1]), names[2], payload, beside)
}
