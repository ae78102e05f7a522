package wasm

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
)

// compilerRefused is how the compiler ends when a module is not valid; it says on standard output what is wrong.
const compilerRefused = 3

// CompilerMain is the work of the process that Config.Compiler starts. It reads a module, as it was rewritten, from
// stdin, and compiles it into dir, or nowhere if that is empty. args are dir, the bytes of memory and the processor
// time that it may use; beyond them the process dies. It returns the exit code: 0 says that the module can be compiled,
// even if dir could not take it.
func CompilerMain(args []string, stdin io.Reader, stdout io.Writer) int {
	fail := func(err error) int {
		_, _ = io.WriteString(stdout, err.Error())
		return compilerRefused
	}
	if len(args) != 3 {
		return fail(fmt.Errorf("want a folder, bytes of memory and processor time; got %q", args))
	}
	memory, err := strconv.ParseUint(args[1], 10, 63)
	if err != nil {
		return fail(err)
	}
	cpu, err := time.ParseDuration(args[2])
	if err != nil {
		return fail(err)
	}
	// Below the hard limit, so that the collector works harder before the process dies of garbage.
	debug.SetMemoryLimit(int64(memory / 4 * 3))
	if err := limitProcess(memory, cpu); err != nil {
		return fail(fmt.Errorf("limit the compiler: %w", err))
	}
	wasm, err := io.ReadAll(stdin)
	if err != nil {
		return fail(err)
	}
	err = compileOnce(args[0], wasm)
	if err != nil && args[0] != "" { // a folder that is full or damaged says nothing about the module
		err = compileOnce("", wasm)
	}
	if err != nil {
		return fail(err)
	}
	return 0
}

// compileOnce compiles with the configuration of hosts, so that they find the code under the same name. The process
// ends right after it; nothing is closed.
func compileOnce(dir string, wasm []byte) error {
	ctx, config := context.Background(), runtimeConfig()
	if dir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(dir)
		if err != nil {
			return err
		}
		config = config.WithCompilationCache(cache)
	}
	_, err := wazero.NewRuntimeWithConfig(ctx, config).CompileModule(withWorkers(ctx), wasm)
	return err
}

// runtimeConfig is the same wherever a module is compiled: it is a part of what code is named by.
func runtimeConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCoreFeatures(features).WithDebugInfoEnabled(false)
}

// withWorkers lets the engine compile several functions at once. More than four bring little and hold the memory of as
// many.
func withWorkers(ctx context.Context) context.Context {
	return experimental.WithCompilationWorkers(ctx, min(4, runtime.GOMAXPROCS(0)))
}
