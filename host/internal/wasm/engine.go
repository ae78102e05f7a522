package wasm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weftlattice/weft/host/internal/instrument"
	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/turns"
	"github.com/weftlattice/weft/lattice"
)

// Config sets up an Engine.
type Config struct {
	// CacheDir keeps compiled code between runs, in a directory that only this user may write to, since what lies there
	// is executed. It is created when it does not exist. Empty: no cache. One that cannot be used, as on a full or
	// read-only disk, costs the cache alone: Logger is told.
	CacheDir string
	Logger   *slog.Logger // default: discards
	// CompileTime is how long compiling a module may take. In this process it ends after the function in which that has
	// passed. Default 2 min.
	CompileTime time.Duration
	// Compiler is a command that calls CompilerMain with the arguments that are added to it: what a module costs to
	// compile is bounded by the next two. Empty: modules are compiled in this process, within the bounds of package
	// instrument alone.
	Compiler      []string
	CompileMemory uint64        // bytes of memory that compiling a module may take; default 2 GiB
	CompileCPU    time.Duration // processor time, of all processors together; default 1 min
	// Memory is what instances, snapshots and code are taken from. An instance or a module for which there is no room
	// is lattice.ErrBusy; a guest that finds none while it grows sees that as its limit. Default: no bound.
	Memory *memory.Budget
}

// codeBytes is about what a module costs besides its code, which is about as large as the module.
const codeBytes = 256 << 10

// Engine compiles and runs modules. It is safe for concurrent use. Close it after its modules' instances.
type Engine struct {
	cfg     Config
	runtime wazero.Runtime
	cache   wazero.CompilationCache // nil without CacheDir
	full    atomic.Bool             // the last module was not kept in CacheDir
	imports map[string]map[string]api.FunctionDefinition
	turns   *turns.Scheduler

	compilers chan struct{} // has room for those that may run at a time

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
	config := runtimeConfig()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.CompileTime <= 0 {
		cfg.CompileTime = 2 * time.Minute
	}
	if cfg.CompileMemory == 0 {
		cfg.CompileMemory = DefaultCompileMemory
	}
	if cfg.CompileCPU <= 0 {
		cfg.CompileCPU = defaultCompileCPU
	}
	e := &Engine{cfg: cfg, turns: turns.New(turns.Processors()), compilers: make(chan struct{}, compilersAtOnce),
		instances: map[*Instance]struct{}{},
		imports:   map[string]map[string]api.FunctionDefinition{}}
	if err := e.openCache(); err != nil {
		return nil, err
	}
	if e.cache != nil {
		config = config.WithCompilationCache(e.cache)
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

// openCache opens the folder of compiled code. One that others could write to is an error; one that cannot be used is
// done without.
func (e *Engine) openCache() error {
	if e.cfg.CacheDir == "" {
		return nil
	}
	// What lies there is executed. A folder that others can write to is refused aloud, one that does not work is not
	// worth a host that does not start.
	err := openCodeCache(e.cfg.CacheDir)
	if lattice.CodeOf(err) == lattice.ErrInvalid {
		return err
	}
	if err == nil {
		e.cache, err = wazero.NewCompilationCacheWithDir(e.cfg.CacheDir)
	}
	if err != nil {
		e.uncached(err)
		e.cfg.CacheDir = ""
	}
	return nil
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
	if isComponent(wasm) {
		m, err := e.compileComponent(ctx, wasm)
		if err == nil {
			if err = m.component.callable(); err != nil {
				return nil, errors.Join(err, m.Close(ctx))
			}
		}
		return m, err
	}
	m, rewritten, err := e.code(ctx, wasm)
	if err != nil {
		return nil, err
	}
	if err := m.inspect(rewritten); err != nil {
		_ = m.Close(ctx)
		return nil, err
	}
	return m, nil
}

// code rewrites and compiles a core module. The order is fixed: Rewrite puts the checks in, Separate takes state out of
// what Rewrite made, and Unbounded takes the memory's declared maximum away, which Module.mostBytes keeps instead. The
// process for trying gets the very bytes that are compiled here, so that both name the code alike.
func (e *Engine) code(ctx context.Context, wasm []byte) (*Module, *instrument.Result, error) {
	rewritten, err := instrument.Rewrite(wasm)
	if err != nil {
		return nil, nil, err
	}
	separated, err := instrument.Separate(rewritten.Wasm)
	if err != nil {
		return nil, nil, err
	}
	if separated.Wasm, err = instrument.Unbounded(separated.Wasm); err != nil {
		return nil, nil, err
	}
	if err := e.try(ctx, separated.Wasm); err != nil {
		return nil, nil, notCompiled(err)
	}
	compiling, cancel := context.WithTimeout(withWorkers(ctx), e.cfg.CompileTime)
	defer cancel()
	code, err := e.compile(compiling, separated.Wasm)
	if errors.Is(err, context.DeadlineExceeded) {
		err = e.tooLong()
	}
	if err != nil {
		return nil, nil, notCompiled(err)
	}
	m := &Module{engine: e, code: code, size: uint64(len(separated.Wasm)) + codeBytes, pages: rewritten.MemoryPages,
		tables:    rewritten.TableMost,
		mostBytes: max(rewritten.MemoryMost, rewritten.MemoryPages) * pageBytes,
		data:      separated.Data, globals: separated.Globals, opaque: separated.Opaque}
	if err := e.cfg.Memory.Take("the code of a module", m.size); err != nil {
		_ = code.Close(ctx)
		return nil, nil, err
	}
	return m, rewritten, nil
}

// notCompiled makes an error that has no code one of the module's.
func notCompiled(err error) error {
	var ours *lattice.Error
	if errors.As(err, &ours) {
		return err
	}
	return &lattice.Error{Code: lattice.ErrBadModule, Op: "compile module", Detail: err.Error()}
}

func (e *Engine) tooLong() error {
	return fmt.Errorf("compiling it takes longer than %v", e.cfg.CompileTime)
}

// compile compiles a module, or takes its code from disk. A file there that has been damaged since the engine began is
// no reason to fail.
func (e *Engine) compile(ctx context.Context, wasm []byte) (wazero.CompiledModule, error) {
	// The engine's cache answers with an error when a file is damaged, and when it cannot write one, though the module
	// is fine. Both are met by compiling once more.
	code, err := e.runtime.CompileModule(ctx, wasm)
	if e.cache == nil {
		return code, err
	}
	if err != nil && strings.Contains(err.Error(), "compilationcache:") && purgeCode(e.cfg.CacheDir) == nil {
		code, err = e.runtime.CompileModule(ctx, wasm)
	}
	var disk *fs.PathError
	if err != nil && errors.As(err, &disk) { // the engine has compiled it, and could not write that down
		cause := err
		if code, err = e.runtime.CompileModule(ctx, wasm); err == nil {
			e.uncached(cause)
			return code, nil
		}
	}
	if err == nil {
		_ = sealCode(e.cfg.CacheDir) // what has no checksum is compiled again after the next start, no more
		e.full.Store(false)
	}
	return code, err
}

// uncached tells once that compiled code is not kept, until it is again.
func (e *Engine) uncached(err error) {
	if e.full.CompareAndSwap(false, true) {
		e.cfg.Logger.Warn("compiled code is not kept: actors take longer to start after the next start of the host; "+
			"make room, or the folder writable", "folder", e.cfg.CacheDir, lattice.LogErr, err)
	}
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
		return fmt.Sprintf("%s.%s with the signature %s instead of %s", i.Module, i.Name, signature(i.Type),
			signature(want))
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

// instancesOf looks through all instances. It is for Interrupt, which is rare; an index for each template would cost
// every instance.
func (e *Engine) instancesOf(t *Template) (all []*Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.instances {
		if i.template == t {
			all = append(all, i)
		}
	}
	return all
}

func (e *Engine) remove(i *Instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.instances, i)
}
