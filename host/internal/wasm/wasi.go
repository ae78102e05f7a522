package wasm

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// buildWASI provides WASI preview 1, with a proc_exit that unwinds the guest but leaves the instance open: a TinyGo actor
// exits at the end of _start and is called afterwards. Since a guest gets no files and can neither close nor renumber
// its standard streams, nothing of it lasts from one call to the next on this side of the boundary: see Instance.Restore.
func buildWASI(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			panic(sys.NewExitError(uint32(stack[0])))
		}), []api.ValueType{api.ValueTypeI32}, nil).
		Export("proc_exit")
	i32 := api.ValueTypeI32
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			fd := uint32(stack[0])
			if stack[0] = success; fd > stderrFD {
				stack[0] = badFD
			}
		}), []api.ValueType{i32}, []api.ValueType{i32}).
		Export("fd_close")
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			if from, to := uint32(stack[0]), uint32(stack[1]); max(from, to) > stderrFD {
				stack[0] = badFD
			} else {
				stack[0] = notSupported
			}
		}), []api.ValueType{i32, i32}, []api.ValueType{i32}).
		Export("fd_renumber")
	return b.Instantiate(ctx)
}

// What WASI's functions answer, and the last of the standard streams.
const (
	success      = 0
	badFD        = 8
	notSupported = 58
	stderrFD     = 2
)
