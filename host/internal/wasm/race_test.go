//go:build race

package wasm_test

// raced says that the race detector is on, which makes all ten times slower.
const raced = true
