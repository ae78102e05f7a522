package wasm

import (
	"crypto/rand"
	"time"
)

// clock notes that a guest asked for the time or random numbers. What it made of them is part of its state from then
// on. It would be the same in every instance that is made of a snapshot. Only whether it did so before a snapshot is
// taken counts.
type clock struct{ asked bool }

var began = time.Now()

// nanotime has one beginning for all instances: what a guest has read of it before the snapshot stays true.
func nanotime() int64 { return int64(time.Since(began)) + 1 }

func random(b []byte) { _, _ = rand.Read(b) } // never fails
