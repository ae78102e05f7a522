//go:build unix

package main

import (
	"net"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// newport VAR: the variable is set to a port that was free a moment ago.
func newPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newport VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	port := l.Addr().(*net.TCPAddr).Port
	ts.Check(l.Close())
	ts.Setenv(args[0], strconv.Itoa(port))
}
