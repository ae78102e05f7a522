// Package e2e tests weft from outside: built binaries as processes, each with a data directory of its own, joined by a
// real NATS server, with real Redis, and with kill -9 for whatever can die. Every test has its own lattice and ports.
//
// The tests build what they start, unless WEFT_BIN names the binary to test. What a test starts ends with it, and a
// process that outlives its host is a failure of the test.
package e2e
