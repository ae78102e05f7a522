package providertest

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Lattice is what a test needs of a lattice: a NATS server with JetStream inside the test process, a name and a cluster
// key. It ends with the test. Its methods are safe for concurrent use.
type Lattice struct {
	URL     string          // of the NATS server; it stays the same over Stop and Start
	Name    lattice.Name    // unique
	Cluster signing.KeyPair // signs the calls of actors
	Logger  *slog.Logger    // writes to the test's log

	env *latticetest.Env
}

// NewLattice starts a lattice on a free loopback port.
func NewLattice(t testing.TB) *Lattice {
	t.Helper()
	env := latticetest.NATS(t)
	return &Lattice{URL: env.URL, Name: env.Lattice, Cluster: env.Cluster, Logger: env.Logger, env: env}
}

// Stop stops the NATS server. Its data and port are kept for Start.
func (l *Lattice) Stop(t testing.TB) { t.Helper(); l.env.Stop(t) }

// Start starts the NATS server again.
func (l *Lattice) Start(t testing.TB) { t.Helper(); l.env.Start(t) }

// LoseData deletes all that the stopped server has stored.
func (l *Lattice) LoseData(t testing.TB) { t.Helper(); l.env.LoseData(t) }

// Conn makes a connection that is closed when the test ends.
func (l *Lattice) Conn(t testing.TB) *nats.Conn { t.Helper(); return l.env.Conn(t) }

// ActorID makes the public key of a new actor.
func (l *Lattice) ActorID(t testing.TB) lattice.ActorID { t.Helper(); return l.env.ActorID(t) }

// HostID makes the public key of a new host.
func (l *Lattice) HostID(t testing.TB) lattice.HostID { t.Helper(); return l.env.HostID(t) }

// ProviderID makes the public key of a new provider.
func (l *Lattice) ProviderID(t testing.TB) lattice.ProviderID { t.Helper(); return l.env.ProviderID(t) }
