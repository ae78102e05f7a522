package wasm

import "bytes"

// UseSlices makes memories slices and copies snapshots, as on systems where nothing can be reserved and mapped.
func (e *Engine) UseSlices() { e.slices = true }

// State returns a copy of what lasts from one call to the next.
func (i *Instance) State() (memory []byte, globals []uint64) {
	i.use.Lock()
	defer i.use.Unlock()
	for _, g := range i.globals {
		globals = append(globals, g.Get())
	}
	return bytes.Clone(i.linear.b), globals
}

// Reserve makes the memory of an instance that may grow so far, and frees it.
func Reserve(most uint64) error {
	m, err := newLinearMemory(most, most, nil)
	if err == nil {
		m.Free()
	}
	return err
}
