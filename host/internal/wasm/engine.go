package wasm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/lattice"
)

// Config sets up an Engine.
type Config struct {
	// CacheDir keeps compiled code between runs, in a directory that only this user may write to, since what lies there
	// is executed. It is created when it does not exist. Empty: no cache.
	CacheDir string
	// CompileTime is how long compiling a module may take; it ends after the function in which that has passed. Default 2 min.
	CompileTime time.Duration
}

// Engine compiles and runs modules. It is safe for concurrent use. Close it after its modules' instances.
type Engine struct {
	cfg     Config
	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil without CacheDir
	imports map[string]map[string]api.FunctionDefinition

	slices bool // memories are slices where address space could be reserved and mapped: a test of what other systems do

	mu        sync.Mutex
	instances map[*Instance]struct{} // guarded by mu; those not closed
	closed    bool                   // guarded by mu
}

// features are those of WebAssembly 2.0, and constants that compute. Threads, exceptions, tail calls and typed function
// references, experiments of the engine, stay off; package instrument refuses them by name.
const features = api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst

// New makes an engine.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	config := wazero.NewRuntimeConfig().WithCoreFeatures(features).WithDebugInfoEnabled(false)
	if cfg.CompileTime <= 0 {
		cfg.CompileTime = 2 * time.Minute
	}
	e := &Engine{cfg: cfg, instances: map[*Instance]struct{}{}, imports: map[string]map[string]api.FunctionDefinition{}}
	if cfg.CacheDir != "" {
		if err := openCodeCache(cfg.CacheDir); err != nil {
			return nil, err
		}
		cache, err := wazero.NewCompilationCacheWithDir(cfg.CacheDir)
		if err != nil {
			return nil, fmt.Errorf("compilation cache: %w", err)
		}
		e.cache = cache
		config = config.WithCompilationCache(cache)
	}
	e.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	for name, functions := range hostModules() {
		m, err := buildModule(ctx, e.runtime, name, functions)
		if err != nil {
			_ = e.Close(ctx)
			return nil, fmt.Errorf("host functions: %w", err)
		}
		e.imports[name] = m.ExportedFunctionDefinitions()
	}
	return e, nil
}

// Close ends calls in progress, closes all instances and releases all code. Closing twice is no error.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	open := slices.Collect(maps.Keys(e.instances))
	e.mu.Unlock()
	for _, i := range open {
		_ = i.Close(ctx)
	}
	err := e.runtime.Close(ctx)
	if e.cache != nil {
		if cacheErr := e.cache.Close(ctx); err == nil {
			err = cacheErr
		}
	}
	return err
}

// Compile rewrites a module (see package instrument), checks that it is something this engine can run, and compiles it,
// which takes from milliseconds to a second. Anything wrong with the module is lattice.ErrBadModule with a detail that
// names it.
func (e *Engine) Compile(ctx context.Context, wasm []byte) (*Module, error) {
	rewritten, err := instrument.Rewrite(wasm)
	if err != nil {
		return nil, err
	}
	ctx = experimental.WithCompilationWorkers(ctx, min(4, runtime.GOMAXPROCS(0)))
	separated, err := instrument.Separate(rewritten.Wasm)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.cfg.CompileTime)
	defer cancel()
	code, err := e.compile(ctx, separated.Wasm)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it takes longer than %v", e.cfg.CompileTime)
	}
	if err != nil {
		return nil, &lattice.Error{Code: lattice.ErrBadModule, Op: "compile module", Detail: err.Error()}
	}
	m := &Module{engine: e, code: code, pages: rewritten.MemoryPages,
		data: separated.Data, globals: separated.Globals, opaque: separated.Opaque}
	if err := m.inspect(rewritten); err != nil {
		_ = code.Close(ctx)
		return nil, err
	}
	return m, nil
}

// compile compiles a module, or takes its code from disk. A file there that has been damaged since the engine began is no
// reason to fail.
func (e *Engine) compile(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	code, err := e.runtime.CompileModule(ctx, wasm)
	if e.cache == nil {
		return code, err
	}
	if err != nil && strings.Contains(err.Error(), "compilationcache:") && purgeCode(e.cfg.CacheDir) == nil {
		code, err = e.runtime.CompileModule(ctx, wasm)
	}
	if err == nil {
		_ = sealCode(e.cfg.CacheDir) // what has no checksum is compiled again after the next start, no more
	}
	return code, err
}

// known reports what keeps an import from being satisfied; the empty string means nothing does.
func (e *Engine) known(i instrument.Import) string {
	functions, ok := e.imports[i.Module]
	if !ok || i.Kind != instrument.FuncImport {
		return fmt.Sprintf("%s.%s", i.Module, i.Name)
	}
	have, ok := functions[i.Name]
	if !ok {
		return fmt.Sprintf("%s.%s", i.Module, i.Name)
	}
	want := instrument.Signature{Params: have.ParamTypes(), Results: have.ResultTypes()}
	if !sameSignature(i.Type, want) {
		return fmt.Sprintf("%s.%s with the signature %s instead of %s", i.Module, i.Name, signature(i.Type), signature(want))
	}
	return ""
}

func sameSignature(a, b instrument.Signature) bool {
	return slices.Equal(a.Params, b.Params) && slices.Equal(a.Results, b.Results)
}

func signature(f instrument.Signature) string {
	names := func(types []api.ValueType) string {
		s := make([]string, len(types))
		for i, t := range types {
			s[i] = api.ValueTypeName(t)
		}
		return "(" + strings.Join(s, " ") + ")"
	}
	return names(f.Params) + "->" + names(f.Results)
}

// add remembers an instance; it fails when the engine has been closed.
func (e *Engine) add(i *Instance) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.instances[i] = struct{}{}
	}
	return !e.closed
}

func (e *Engine) remove(i *Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.instances, i)
}
