// Package latticetest gives tests a lattice of their own: a NATS server with JetStream inside the test process, a
// lattice name and a cluster key. Everything it starts ends with the test.
package latticetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"go.uber.org/goleak"

	"github.com/weftlattice/weft/internal/backoff"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/internal/natsserver"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Env is what one test needs of a lattice. Its methods are safe for concurrent use but must not be called after the
// test has ended.
type Env struct {
	URL     string          // of the NATS server; it stays the same over a restart
	Lattice lattice.Name    // unique per Env
	Cluster signing.KeyPair // the signer of the lattice
	Logger  *slog.Logger    // writes to the test's log

	t      testing.TB
	dir    string
	port   int
	mu     sync.Mutex
	server *natsserver.Server // nil while stopped. guarded by mu
}

// NATS starts a server on a free loopback port.
func NATS(t testing.TB) *Env {
	t.Helper()
	cluster, err := signing.New('C')
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Lattice: lattice.Name("t" + nuid.Next()), Cluster: cluster, Logger: Logger(t), t: t, dir: t.TempDir(),
		port: -1}
	e.Start(t)
	t.Cleanup(func() { e.Stop(t) })
	return e
}

// Start starts the server again after Stop, on the same port and data.
func (e *Env) Start(t testing.TB) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server != nil {
		return
	}
	s, err := natsserver.Start(context.Background(), natsserver.Config{Port: e.port, DataDir: e.dir})
	if err != nil {
		t.Fatal(err)
	}
	e.server, e.port, e.URL = s, s.Port(), s.URL()
}

// Stop stops the server; its data and port are kept for Start.
func (e *Env) Stop(t testing.TB) {
	t.Helper()
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
}

// LoseData deletes all that the stopped server has stored.
func (e *Env) LoseData(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(e.dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
}

// Conn makes a connection that is closed when the test ends.
func (e *Env) Conn(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := natsconn.Connect(context.Background(), natsconn.Config{URL: e.URL, Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// HostID makes the public key of a new host.
func (e *Env) HostID(t testing.TB) lattice.HostID { return lattice.HostID(NewKey(t, 'N').Public()) }

// ActorID makes the public key of a new actor.
func (e *Env) ActorID(t testing.TB) lattice.ActorID { return lattice.ActorID(NewKey(t, 'M').Public()) }

// ProviderID makes the public key of a new provider.
func (e *Env) ProviderID(t testing.TB) lattice.ProviderID {
	return lattice.ProviderID(NewKey(t, 'V').Public())
}

// NewKey makes a key pair of a kind.
func NewKey(t testing.TB, kind byte) signing.KeyPair {
	t.Helper()
	k, err := signing.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Patience is how long a test waits for something that usually takes a moment. A machine that does other things, too,
// may take a minute for it. What takes longer never comes.
const Patience = 2 * time.Minute

// Promised logs how long something took, and fails the test when that is longer than the limit. It is for what the
// project promises; everything else waits for Patience.
func Promised(t testing.TB, what string, took, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(time.Millisecond))
	if took > limit {
		t.Errorf("%s: %v, %v allowed", what, took.Round(time.Millisecond), limit)
	}
}

// Eventually calls check until it returns nil, at most for Patience, and fails the test with its last error.
func Eventually(t testing.TB, check func() error) {
	t.Helper()
	if err := Await(check); err != nil {
		t.Fatal(err)
	}
}

// Await calls check until it returns nil, at most for Patience, and returns its last error.
func Await(check func() error) error { return poll(Patience, check) }

func poll(timeout time.Duration, check func() error) error {
	end := time.Now().Add(timeout)
	pauses := backoff.Series{Policy: backoff.Policy{First: time.Millisecond, Max: 50 * time.Millisecond}}
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v: %w", timeout, err)
		}
		time.Sleep(pauses.Next())
	}
}

// Logger writes to the test's log at debug level; lines after the end of the test are dropped.
func Logger(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
	})
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct {
	t     testing.TB
	mu    sync.Mutex
	ended bool // guarded by mu
}

func (w *testWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.t.Logf("%s", b)
	}
	return len(b), nil
}

// VerifyMain runs the tests of a package and fails when they leave goroutines behind. Call it from TestMain.
func VerifyMain(m *testing.M) { goleak.VerifyTestMain(m) }
