package wasm

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// buildWASI provides WASI preview 1, with a proc_exit that unwinds the guest but leaves the instance open: a TinyGo actor
// exits at the end of _start and is called afterwards.
func buildWASI(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	b.NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			panic(sys.NewExitError(uint32(stack[0])))
		}), []api.ValueType{api.ValueTypeI32}, nil).
		Export("proc_exit")
	return b.Instantiate(ctx)
}
