package node

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
)

// A server that comes later is waited for; one that never comes is told after the time, one that refuses at once.
func TestAwaitNATS(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	conn := natsconn.Config{URL: "nats://" + addr}
	log := latticetest.Logger(t)
	err = awaitNATS(t.Context(), conn, 1500*time.Millisecond, log)
	if !errors.Is(err, lattice.ErrUnavailable) || !strings.Contains(err.Error(), "within 1.5s") ||
		!strings.Contains(err.Error(), addr) {
		t.Fatalf("nobody came: %v", err)
	}
	came := make(chan error, 1)
	go func() { came <- awaitNATS(t.Context(), conn, time.Minute, log) }()
	_, text, _ := net.SplitHostPort(addr)
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := natsserver.Start(t.Context(), natsserver.Config{Port: port, DataDir: t.TempDir(), Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := <-came; !errors.Is(err, lattice.ErrDenied) { // it has no token
		t.Errorf("refused: %v", err)
	}
	conn.Token = "sesame"
	if err := awaitNATS(t.Context(), conn, time.Minute, log); err != nil {
		t.Error(err)
	}
}
