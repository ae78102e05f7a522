package host_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
)

// twin starts a process of a host with a certain key; how it ends comes over done.
func (r *rig) twin(key signing.KeyPair, change func(*host.Config)) (h *host.Host, stop context.CancelFunc,
	done chan error) {
	r.t.Helper()
	cfg := host.DefaultConfig()
	cfg.Lattice, cfg.Cluster, cfg.Logger, cfg.HostKey = r.env.Lattice, r.env.Cluster, r.env.Logger, key
	cfg.NATS, cfg.AllowFileLoad, cfg.CacheDir = host.NATS{URL: r.env.URL}, true, cacheDir
	if change != nil {
		change(&cfg)
	}
	h, err := host.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	r.t.Cleanup(stop)
	return h, stop, done
}

func (r *rig) ready(h *host.Host, done chan error) {
	r.t.Helper()
	select {
	case <-h.Ready():
	case err := <-done:
		r.t.Fatal(err)
	case <-time.After(2 * time.Minute):
		r.t.Fatal("it does not get ready")
	}
}

// TestACopiedDataDirectoryIsRefused: the second process with a host's key does not start, and says what to do; the
// first goes on. When that has ended, the key is free at once.
func TestACopiedDataDirectoryIsRefused(t *testing.T) {
	r := newRig(t)
	key := latticetest.NewKey(t, 'N')
	first, stopFirst, firstDone := r.twin(key, nil)
	defer stopFirst()
	r.ready(first, firstDone)
	_, stopSecond, secondDone := r.twin(key, nil)
	defer stopSecond()
	if err := <-secondDone; !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(),
		"was a data directory copied?") || !strings.Contains(err.Error(), "keys/host_NAME.nk") {
		t.Errorf("the second: %v", err)
	}
	if _, err := r.control.Inventory(t.Context(), first.ID()); err != nil {
		t.Errorf("the first: %v", err)
	}
	stopFirst()
	if err := <-firstDone; err != nil {
		t.Error(err)
	}
	third, stopThird, thirdDone := r.twin(key, nil)
	defer stopThird()
	r.ready(third, thirdDone)
	stopThird()
	if err := <-thirdDone; err != nil {
		t.Error(err)
	}
}

// said is a log of which a test wants to know whether something was said.
type said struct {
	slog.Handler
	words string
	heard *atomic.Bool
}

func (s said) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, s.words) {
		s.heard.Store(true)
	}
	return s.Handler.Handle(ctx, r)
}

func (s said) WithAttrs(a []slog.Attr) slog.Handler {
	return said{s.Handler.WithAttrs(a), s.words, s.heard}
}

func (r *rig) hears(words string) (*slog.Logger, *atomic.Bool) {
	heard := new(atomic.Bool)
	return slog.New(said{r.env.Logger.Handler(), words, heard}), heard
}

// TestAQuickRestartWaitsForTheProcessThatEnds: a host that is started again while the process before finishes its work
// waits until that has ended, and says so. It is not taken for a host with a copied data directory.
func TestAQuickRestartWaitsForTheProcessThatEnds(t *testing.T) {
	r := newRig(t)
	key, sleeper := latticetest.NewKey(t, 'N'), latticetest.NewKey(t, 'M')
	first, stopFirst, firstDone := r.twin(key, func(c *host.Config) {
		c.HTTPAddr, c.DrainTimeout = "127.0.0.1:0", time.Minute
	})
	r.ready(first, firstDone)
	r.start(first, control.ScaleActorRequest{ActorRef: r.module("1", sleeper, signing.ActorClaims{Name: "guest"}),
		MaxInstances: 1,
		Limits:       &control.ActorLimits{ExecutionMs: 60_000}})
	call := make(chan error, 1)
	go func() {
		_, err := r.call(actorID(sleeper), "Test.Sleep", "5s")
		call <- err
	}()
	latticetest.Eventually(t, func() error {
		if metric(t, first, "weft_instances{", `state="in_use"`) < 1 { // an inventory counts idle instances, too
			return errors.New("the call has not begun")
		}
		return nil
	})
	beats, err := r.nc.SubscribeSync(subject.Beat(r.env.Lattice, first.ID()))
	if err != nil {
		t.Fatal(err)
	}
	stopFirst()
	latticetest.Eventually(t, func() error {
		m, err := beats.NextMsg(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := wire.DecodeBeat(m.Data); err != nil || !b.Draining || b.EndsIn() <= time.Minute ||
			b.EndsIn() > 2*time.Minute {
			return fmt.Errorf("it does not say that it ends: %s %v", m.Data, err)
		}
		return nil
	})

	log, waited := r.hears("is ending its work; waiting for it")
	second, stopSecond, secondDone := r.twin(key, func(c *host.Config) { c.Logger = log })
	r.ready(second, secondDone)
	if err := <-firstDone; err != nil {
		t.Errorf("the first: %v", err)
	}
	if !waited.Load() {
		t.Error("the second does not say that it waits")
	}
	if err := <-call; err != nil {
		t.Errorf("the call that the first had taken: %v", err)
	}
	stopSecond()
	if err := <-secondDone; err != nil {
		t.Errorf("the second: %v", err)
	}
}

// TestAProcessThatEndsButDoesNot: one that said that it is ending, but still answers after the time that it named, is
// told apart from a copy.
func TestAProcessThatEndsButDoesNot(t *testing.T) {
	r := newRig(t)
	key := latticetest.NewKey(t, 'N')
	if _, err := r.nc.Subscribe(subject.Host(r.env.Lattice, lattice.HostID(key.Public())), func(m *nats.Msg) {
		_ = m.Respond(wire.Served{EndsInMS: 300}.Encode())
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	_, _, done := r.twin(key, nil)
	if err := <-done; !errors.Is(err, lattice.ErrConflict) || !strings.Contains(err.Error(),
		"has not ended in the time that it named") || strings.Contains(err.Error(), "copied") {
		t.Errorf("got %v", err)
	}
}

// TestTwoHostsThatMeetLater: where two processes with one key start apart, as beyond a split of the network, each sees
// the other's beats when they meet, and says what to do, in the log and as a metric. It does not count its own beats.
func TestTwoHostsThatMeetLater(t *testing.T) {
	r := newRig(t)
	log, heard := r.hears("two hosts have one key")
	key := latticetest.NewKey(t, 'N')
	h, stop, done := r.twin(key, func(c *host.Config) {
		c.HTTPAddr, c.Logger, c.Beat = "127.0.0.1:0", log,
			20*time.Millisecond
	})
	r.ready(h, done)
	beats, err := r.nc.SubscribeSync(subject.Beat(r.env.Lattice, h.ID()))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // its own
		if _, err := beats.NextMsg(time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	counted := func() string {
		for line := range strings.Lines(get(t, "http://"+h.HTTPAddr()+"/metrics")) {
			if n, ok := strings.CutPrefix(line, "weft_host_twin_beats_total "); ok {
				return strings.TrimSpace(n)
			}
		}
		return "none"
	}
	if n := counted(); n != "0" || heard.Load() {
		t.Fatalf("its own beats count as those of another: %s", n)
	}
	other := wire.Beat{HostID: lattice.HostID(key.Public()), Sequence: 1,
		Direct: &wire.Direct{Version: wire.DirectVersion, Served: uint64(time.Now().Add(-time.Hour).UnixNano())}}
	for range 3 {
		if err := r.nc.Publish(subject.Beat(r.env.Lattice, h.ID()), other.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	latticetest.Eventually(t, func() error {
		if n := counted(); n != "3" || !heard.Load() {
			return fmt.Errorf("%s beats of the other, said: %v", n, heard.Load())
		}
		return nil
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
