package host

import (
	"context"
	"log/slog"

	"github.com/weftlattice/weft/host/internal/memory"
	"github.com/weftlattice/weft/host/internal/providers"
	"github.com/weftlattice/weft/host/internal/supervisor"
	"github.com/weftlattice/weft/host/internal/twin"
	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice/store"
)

// base is what the units of a host are made with: its connections, and what costs time to open.
type base struct {
	cfg       *Config
	log       *slog.Logger
	guests    *memory.Budget // of guests' memory; nil: no limit
	nats      connections
	twins     *twin.Guard
	access    *providers.Access
	engine    *wasm.Engine
	bucket    *store.Store
	artifacts artifacts
	guard     *supervisor.Guard // nil: none
}

// parts are those of the base in the order in which they start.
func (b *base) parts() []part {
	lookForTwin := func(ctx context.Context) error {
		b.twins.Conn = b.nats.rpc
		return b.twins.Start(ctx)
	}
	return []part{
		{"connections to NATS", b.nats.open, b.nats.close},
		{"look for another process with this host's key", lookForTwin, nil},
		{"way of providers to NATS", b.access.Start, b.access.Stop},
		{"engine", b.openEngine, b.closeEngine},
		{"bucket of the lattice's state", b.openBucket, nil},
		{"artifacts", b.openArtifacts, b.artifacts.close},
		{"guard of processes", b.openGuard, b.closeGuard},
	}
}

func (b *base) openEngine(ctx context.Context) (err error) {
	b.engine, err = wasm.New(ctx, wasm.Config{CacheDir: b.cfg.dir(compiledDir), Logger: b.log, Compiler: b.cfg.Compiler,
		Memory:        b.guests,
		CompileMemory: b.cfg.compileMemory(memory.Available()), CompileCPU: b.cfg.CompileCPU})
	return err
}

func (b *base) closeEngine(ctx context.Context) error {
	if b.engine == nil {
		return nil
	}
	return b.engine.Close(ctx)
}

func (b *base) openBucket(ctx context.Context) (err error) {
	b.bucket, err = store.Open(ctx, b.nats.rpc, b.cfg.Lattice, store.Config{Logger: b.log})
	return err
}

func (b *base) openArtifacts(context.Context) error {
	return b.artifacts.open(b.cfg, b.nats.rpc, b.log)
}

// openGuard starts the guard before any provider is started: it ends only what it was told of.
func (b *base) openGuard(ctx context.Context) (err error) {
	if len(b.cfg.Guard) > 0 {
		b.guard, err = supervisor.StartGuard(ctx, b.cfg.Guard[0], b.cfg.Guard[1:], b.log)
	}
	return err
}

func (b *base) closeGuard(ctx context.Context) error {
	if b.guard == nil {
		return nil
	}
	return b.guard.Close(ctx)
}
