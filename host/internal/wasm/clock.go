package wasm

import (
	"crypto/rand"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// clock gives a guest time and random numbers, and notes that it asked for any: what it made of them is part of its
// state from then on, and would be the same in every instance that is made of a snapshot.
type clock struct{ asked bool }

// observe sets the clock to work.
func (c *clock) observe(config wazero.ModuleConfig) wazero.ModuleConfig {
	return config.WithRandSource(c).
		WithWalltime(func() (int64, int32) { c.asked = true; return walltime() }, resolution).
		WithNanotime(func() int64 { c.asked = true; return nanotime() }, resolution)
}

// Read implements io.Reader.
func (c *clock) Read(p []byte) (int, error) {
	c.asked = true
	return rand.Read(p)
}

// unobserved gives the same without noting anything.
func unobserved(config wazero.ModuleConfig) wazero.ModuleConfig {
	return config.WithRandSource(rand.Reader).WithWalltime(walltime, resolution).WithNanotime(nanotime, resolution)
}

const resolution sys.ClockResolution = 1

var began = time.Now()

func walltime() (sec int64, nsec int32) {
	t := time.Now()
	return t.Unix(), int32(t.Nanosecond())
}

// nanotime has one beginning for all instances: what a guest has read of it before the snapshot stays true.
func nanotime() int64 { return int64(time.Since(began)) + 1 }
