package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/latticetest"
	"github.com/weftlattice/weft/lattice/natsconn"
)

// TestACopiedDataDirectoryIsRefused: the second process with a host's key does not start, and says what to do; the first goes on.
// When that has ended, the key is free at once.
func TestACopiedDataDirectoryIsRefused(t *testing.T) {
	r := newRig(t)
	key := latticetest.NewKey(t, 'N')
	start := func() (*host.Host, context.CancelFunc, chan error) {
		cfg := host.DefaultConfig()
		cfg.Lattice, cfg.Cluster, cfg.Logger, cfg.HostKey = r.env.Lattice, r.env.Cluster, r.env.Logger, key
		cfg.NATS = natsconn.Config{URL: r.env.URL}
		h, err := host.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		return h, stop, done
	}
	ready := func(h *host.Host, done chan error) {
		t.Helper()
		select {
		case <-h.Ready():
		case err := <-done:
			t.Fatal(err)
		case <-time.After(2 * time.Minute):
			t.Fatal("it does not get ready")
		}
	}
	first, stopFirst, firstDone := start()
	defer stopFirst()
	ready(first, firstDone)
	_, stopSecond, secondDone := start()
	defer stopSecond()
	if err := <-secondDone; !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(), "was a data directory copied?") || !strings.Contains(err.Error(), "keys/host_NAME.nk") {
		t.Errorf("the second: %v", err)
	}
	if _, err := r.control.Inventory(t.Context(), first.ID()); err != nil {
		t.Errorf("the first: %v", err)
	}
	stopFirst()
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
	third, stopThird, thirdDone := start()
	defer stopThird()
	ready(third, thirdDone)
	stopThird()
	if err := <-thirdDone; err != nil {
		t.Error(err)
	}
}
