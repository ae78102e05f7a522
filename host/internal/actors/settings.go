package actors

import (
	"time"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/lattice/control"
)

// Settings are what an operator may choose for an actor when starting it.
type Settings struct {
	Limits wasm.Limits       // zero fields: the host's defaults
	Config map[string]string // the guest's environment

	// Instances says whether they are restored after every call: control.SharedInstances, control.FreshInstances, or
	// empty, which is what users of the guest's kind expect.
	Instances          string
	RecycleCalls       uint64 // calls after which an instance is restored or replaced; 0: the host's default
	RecycleMemoryBytes uint64 // size above which that happens; 0: never
}

// SettingsOf turns what a request may say about limits and configuration into an actor's settings.
func SettingsOf(l *control.ActorLimits, config map[string]string) Settings {
	s := Settings{Config: config}
	if l != nil {
		s.Limits = wasm.Limits{MemoryBytes: l.MemoryBytes, Execution: time.Duration(min(l.ExecutionMs,
			1<<31)) * time.Millisecond,
			Fuel: l.Fuel}
		s.Instances, s.RecycleCalls, s.RecycleMemoryBytes = l.Instances, l.RecycleCalls, l.RecycleMemoryBytes
	}
	return s
}

// limits is the inverse, for inventories.
func (s Settings) limits() *control.ActorLimits {
	return &control.ActorLimits{MemoryBytes: s.Limits.MemoryBytes,
		ExecutionMs: uint64(s.Limits.Execution.Milliseconds()),
		Fuel:        s.Limits.Fuel, Instances: s.Instances, RecycleCalls: s.RecycleCalls,
		RecycleMemoryBytes: s.RecycleMemoryBytes}
}
