package host_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
)

// "actor stop" says stopped when no code of the actor runs any more: calls that do not end while it drains are cut off.
func TestStoppedActorDoesNotBurnOn(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { c.DrainTimeout = 2 * time.Second })
	key := latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "burner"}),
		MaxInstances: 2,
		Limits:       &control.ActorLimits{ExecutionMs: 600_000}})
	ended := make(chan error, 2)
	for range cap(ended) {
		go func() {
			_, err := r.call(actorID(key), "Test.Spin", "")
			ended <- err
		}()
	}
	latticetest.Eventually(t, func() error {
		inventory, err := r.control.Inventory(context.Background(), h.ID())
		if err == nil && (len(inventory.Actors) != 1 || inventory.Actors[0].Instances[0].Running < 2) {
			err = errors.New("not both calls have begun")
		}
		return err
	})
	events := r.events(event.NameActorScaled, event.NameActorScaleFailed)
	if err := r.control.StopActor(context.Background(), control.StopActorRequest{ActorID: actorID(key),
		HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	if d, ok := events.next().(event.ActorScaled); !ok || d.MaxInstances != 0 {
		t.Fatalf("stopping gave %+v", d)
	}
	for range cap(ended) {
		if err := <-ended; lattice.CodeOf(err) != lattice.ErrCanceled {
			t.Errorf("a call ended with %v, want that it was cut off", err)
		}
	}
}

// stuck is a log that is not read from some line on.
type stuck struct {
	slog.Handler
	line string
	read chan struct{} // closed when it is read again
}

func (s stuck) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, s.line) {
		<-s.read
	}
	return nil
}

func (s stuck) WithAttrs([]slog.Attr) slog.Handler { return s }

// A guest that cannot be stopped, since it waits for a log that is not read, say, is not called stopped; and a host
// that is told to end ends all the same, and names the actor.
func TestHostEndsThoughAGuestDoesNot(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	r := newRig(t)
	log := stuck{r.env.Logger.Handler(), "nobody reads this", make(chan struct{})}
	cfg := host.DefaultConfig()
	cfg.Lattice, cfg.Cluster, cfg.Logger, cfg.HostKey = r.env.Lattice, r.env.Cluster, slog.New(log),
		latticetest.NewKey(t, 'N')
	cfg.NATS, cfg.AllowFileLoad, cfg.CacheDir = host.NATS{URL: r.env.URL}, true, cacheDir
	cfg.DrainTimeout, cfg.ProviderGrace = 200*time.Millisecond, 100*time.Millisecond
	h, err := host.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	<-h.Ready()
	key := latticetest.NewKey(t, 'M')
	r.start(h, control.ScaleActorRequest{ActorRef: r.module("1", key, signing.ActorClaims{Name: "writer",
		Caps: []lattice.ContractID{"wasmcloud:builtin:logging"}}), MaxInstances: 1})
	call := make(chan error, 1)
	go func() {
		_, err := r.call(actorID(key), "Test.Log", log.line)
		call <- err
	}()
	latticetest.Eventually(t, func() error {
		lines, err := r.control.Logs(context.Background(), h.ID(), actorID(key), 0)
		if err == nil && len(lines) == 0 {
			err = errors.New("nothing is logged yet")
		}
		return err
	})
	events := r.events(event.NameActorScaled, event.NameActorScaleFailed)
	if err := r.control.StopActor(context.Background(), control.StopActorRequest{ActorID: actorID(key),
		HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	if d, ok := events.next().(event.ActorScaleFailed); !ok || !strings.Contains(d.Error, "1 calls have not ended") {
		t.Errorf("stopping an actor that goes on gave %+v", d)
	}
	if inventory, err := r.control.Inventory(context.Background(), h.ID()); err != nil || len(inventory.Actors) != 1 {
		t.Errorf("an actor that goes on is not listed: %+v, %v", inventory.Actors, err)
	}
	from := time.Now()
	stop()
	err = <-ended
	if !errors.Is(err, host.ErrStuck) || !strings.Contains(err.Error(), "writer") || !strings.Contains(err.Error(),
		key.Public()) {
		t.Errorf("the host ended with %v, want one that names the actor", err)
	}
	t.Logf("%v after it was told to", time.Since(from))
	close(log.read) // for what the host has left behind
	<-call
}
