//go:build race

package natsserver_test

// raced says that the race detector is on.
const raced = true
