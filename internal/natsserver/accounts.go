package natsserver

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weftlattice/weft/lattice"
)

// accountPrefix begins the name of a lattice's account, which is also the folder of its data.
const accountPrefix = "lattice_"

// accounts gives each lattice a NATS account of its own, with its own JetStream: what one lattice publishes, stores or
// lets the server send somewhere does not reach another. It is safe for concurrent use.
type accounts struct {
	srv    *server.Server
	home   lattice.Name // keeps the global account, where servers without users keep their data
	dir    string       // the server's data directory
	gate   *gate
	domain string // of JetStream; empty: no domain

	mu   sync.Mutex
	open map[lattice.Name]*server.Account // guarded by mu
}

func newAccounts(srv *server.Server, home lattice.Name, dir, domain string, g *gate) *accounts {
	return &accounts{srv: srv, home: home, dir: dir, domain: domain, gate: g, open: map[lattice.Name]*server.Account{}}
}

// restore opens the accounts that have data, so that their streams go on when the server starts.
func (a *accounts) restore() error {
	list, err := os.ReadDir(filepath.Join(a.dir, "jetstream"))
	if err != nil && !os.IsNotExist(err) {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "read the data of lattices", Entity: a.dir, Err: err}
	}
	names := []lattice.Name{}
	if a.home != "" {
		names = append(names, a.home)
	}
	for _, e := range list {
		if text, ok := strings.CutPrefix(e.Name(), accountPrefix); ok {
			if l, err := lattice.ParseName(text); err == nil && l != a.home {
				names = append(names, l)
			}
		}
	}
	for _, l := range names {
		if _, err := a.of(l); err != nil {
			return err
		}
	}
	return nil
}

// of returns the account of a lattice, and makes it when it is missing.
func (a *accounts) of(l lattice.Name) (*server.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if acc := a.open[l]; acc != nil {
		return acc, nil
	}
	fail := func(err error) error {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "open the account of lattice", Entity: string(l),
			Err: err}
	}
	acc := a.srv.GlobalAccount()
	if l != a.home {
		acc, _ = a.srv.LookupOrRegisterAccount(accountPrefix + string(l))
	}
	guarded := maps.Clone(guarded)
	if a.domain != "" {
		named := "$JS." + a.domain + ".API."
		for from, to := range maps.Clone(guarded) {
			guarded[named+strings.TrimPrefix(from, apiRoot)] = to
		}
		// The first mapping that fits holds. The account that the server makes by itself has those of the domain
		// already; the server adds them again below.
		acc.RemoveMapping(named + "STREAM.>")
		acc.RemoveMapping(named + "CONSUMER.>")
	}
	for from, to := range guarded {
		if err := acc.AddMapping(from, to); err != nil {
			return nil, fail(err)
		}
	}
	// A server that trusts an operator leaves this to the operator.
	if err := acc.EnableJetStream(nil, nil); err != nil {
		return nil, fail(err)
	}
	if err := a.gate.watch(acc); err != nil {
		return nil, fail(err)
	}
	a.open[l] = acc
	return acc, nil
}

// all returns the accounts that are open.
func (a *accounts) all() []*server.Account {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.open))
}

// enableJetStream does so in a server whose JetStream was started again.
func (a *accounts) enableJetStream() error {
	var errs []error
	for _, acc := range a.all() {
		errs = append(errs, acc.EnableJetStream(nil, nil))
	}
	return errors.Join(errs...)
}
