package wasm

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/weftlattice/weft/lattice"
)

// hostFunc is one function of the waPC ABI. Its arguments are in stack, and it leaves its result there. It panics with an
// error to end the call; the engine unwinds the guest and returns that error.
type hostFunc func(i *Instance, ctx context.Context, stack []uint64)

// buildABI provides the waPC ABI under one name.
func buildABI(ctx context.Context, r wazero.Runtime, name string) (api.Module, error) {
	b := r.NewHostModuleBuilder(name)
	for _, f := range []struct {
		name            string
		params, results int
		f               hostFunc
	}{
		{"__host_call", 8, 1, (*Instance).hostCall},
		{"__guest_request", 2, 0, (*Instance).guestRequest},
		{"__guest_response", 2, 0, (*Instance).guestResponse},
		{"__guest_error", 2, 0, (*Instance).guestError},
		{"__host_response_len", 0, 1, (*Instance).hostResponseLen},
		{"__host_response", 1, 0, (*Instance).hostResponse},
		{"__host_error_len", 0, 1, (*Instance).hostErrorLen},
		{"__host_error", 1, 0, (*Instance).hostError},
		{"__console_log", 2, 0, (*Instance).consoleLog},
	} {
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
			f.f(ctx.Value(instanceKey{}).(*Instance), ctx, stack)
		}), i32s(f.params), i32s(f.results)).Export(f.name)
	}
	return b.Instantiate(ctx)
}

func i32s(n int) []api.ValueType {
	return bytes.Repeat([]api.ValueType{api.ValueTypeI32}, n)
}

// instanceKey is the context key under which the ABI finds the instance that calls it.
type instanceKey struct{}

// exchange holds what guest and host hand each other during one call.
type exchange struct {
	operation string
	payload   []byte

	response   []byte
	guestError string

	hostCalls    int
	hostResponse []byte // readable until the next host call
	hostError    string // likewise
}

// read returns guest memory, not copied; what names it in the error.
func (i *Instance) read(what string, ptr, size uint64) []byte {
	if uint32(size) == 0 {
		return nil
	}
	b, ok := i.memory.Read(uint32(ptr), uint32(size))
	if !ok {
		panic(i.badPointer(what, ptr, uint64(uint32(size))))
	}
	return b
}

// write copies data into guest memory.
func write[T string | []byte](i *Instance, what string, ptr uint64, data T) {
	if len(data) == 0 {
		return
	}
	if b, ok := i.memory.Read(uint32(ptr), uint32(len(data))); ok {
		copy(b, data)
		return
	}
	panic(i.badPointer(what, ptr, uint64(len(data))))
}

func (i *Instance) badPointer(what string, ptr, size uint64) error {
	return &lattice.Error{Code: lattice.ErrBadPointer, Detail: fmt.Sprintf("%s: %d bytes at %#x in a memory of %d bytes",
		what, size, uint32(ptr), i.memory.Size())}
}

func (i *Instance) guestRequest(_ context.Context, stack []uint64) {
	write(i, "__guest_request operation", stack[0], i.exchange.operation)
	write(i, "__guest_request payload", stack[1], i.exchange.payload)
}

func (i *Instance) guestResponse(ctx context.Context, stack []uint64) {
	b := i.read("__guest_response", stack[0], stack[1])
	if len(b) > i.template.limits.ResponseBytes {
		panic(&lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("response of %d bytes, %d allowed", len(b), i.template.limits.ResponseBytes)})
	}
	if err := i.template.host.Reserve(ctx, len(b)); err != nil {
		panic(err)
	}
	i.exchange.response = bytes.Clone(b)
}

func (i *Instance) guestError(_ context.Context, stack []uint64) {
	b := i.read("__guest_error", stack[0], stack[1])
	i.exchange.guestError = text(b, maxErrorBytes)
}

func (i *Instance) hostResponseLen(_ context.Context, stack []uint64) {
	stack[0] = uint64(len(i.exchange.hostResponse))
}

func (i *Instance) hostResponse(_ context.Context, stack []uint64) {
	write(i, "__host_response", stack[0], i.exchange.hostResponse)
}

func (i *Instance) hostErrorLen(_ context.Context, stack []uint64) {
	stack[0] = uint64(len(i.exchange.hostError))
}

func (i *Instance) hostError(_ context.Context, stack []uint64) {
	write(i, "__host_error", stack[0], i.exchange.hostError)
}

func (i *Instance) consoleLog(ctx context.Context, stack []uint64) {
	b := i.read("__console_log", stack[0], stack[1])
	i.template.host.Log(ctx, Console, text(b, maxLogBytes))
}

// hostCall performs an outbound call: 1 means that there is a response, 0 that there is an error.
func (i *Instance) hostCall(ctx context.Context, stack []uint64) {
	x := &i.exchange
	x.hostResponse, x.hostError = nil, ""
	if x.hostCalls++; x.hostCalls > i.template.limits.HostCalls {
		panic(&lattice.Error{Code: lattice.ErrTooLarge,
			Detail: fmt.Sprintf("more than %d host calls in one call", i.template.limits.HostCalls)})
	}
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
		x.hostError = i.oversize("payload", len(payload))
	}
	if x.hostError == "" {
		// The copy is the host's to keep: it may outlive the guest's next instruction, or the guest.
		out, err := callHost(ctx, i.template.host, names, bytes.Clone(payload))
		if ctx.Err() != nil {
			panic(errStopped) // no need to let the guest run to its next check
		}
		switch {
		case err != nil:
			x.hostError = text([]byte(err.Error()), maxErrorBytes)
		case len(out) > i.template.limits.HostCallBytes:
			x.hostError = i.oversize("response", len(out))
		default:
			x.hostResponse = out
			stack[0] = 1
			return
		}
	}
	if x.hostError == "" {
		x.hostError = "host call failed"
	}
	stack[0] = 0
}

func (i *Instance) oversize(what string, size int) string {
	return (&lattice.Error{Code: lattice.ErrTooLarge,
		Detail: fmt.Sprintf("%s of a host call has %d bytes, %d allowed", what, size, i.template.limits.HostCallBytes)}).Error()
}

// callHost keeps a panic of the host's own code from being taken for a fault of the guest.
func callHost(ctx context.Context, h Host, names [3]string, payload []byte) ([]byte, error) {
	defer func() {
		if r := recover(); r != nil {
			panic(&lattice.Error{Code: lattice.ErrInternal, Op: "host call", Err: fmt.Errorf("panic: %v\n%s", r, debug.Stack())})
		}
	}()
	return h.HostCall(ctx, names[0], names[1], names[2], payload)
}
