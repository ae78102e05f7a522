package wasm

import (
	"github.com/tetratelabs/wazero/api"
	"github.com/weftlattice/weft/host/internal/turns"
)

// UseSlices makes memories slices and copies snapshots, as on systems where nothing can be reserved and mapped.
func (e *Engine) UseSlices() { e.slices = true }

// Turns lets so many guests of modules that are compiled from now on compute at once.
func (e *Engine) Turns(n int) { e.turns = turns.New(n) }

// Hold keeps a response as that of a host call.
func (i *Instance) Hold(response []byte) error { return i.hold(response) }

// State returns a copy of what lasts from one call to the next.
func (i *Instance) State() (memory []byte, globals []uint64) {
	i.use.Lock()
	defer i.use.Unlock()
	for _, c := range i.cores {
		memory = append(memory, c.linear.b...)
		for _, g := range c.globals {
			globals = append(globals, g.Get())
		}
	}
	return memory, globals
}

// Reserve makes the memory of an instance that may grow so far, and frees it.
func Reserve(most uint64) error {
	m, err := newLinearMemory(&account{limit: most}, most, 0, false, nil)
	if err == nil {
		m.Free()
	}
	return err
}

// Imports are the functions that guests of an engine can import, by module and name.
func (e *Engine) Imports() map[string]map[string]api.FunctionDefinition { return e.imports }

// Costs are the costs of the functions that pay for themselves, by module and name.
func Costs() map[string]map[string]uint64 {
	costs := map[string]map[string]uint64{}
	for module, functions := range hostModules() {
		costs[module] = map[string]uint64{}
		for _, f := range functions {
			costs[module][f.name] = f.cost
		}
	}
	return costs
}

// The bounds of what a function does in one call.
const (
	LeastCost   = costLeast
	MaxVectors  = maxVectors
	MaxTransfer = maxTransfer
)
