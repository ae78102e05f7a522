package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// A host of three is killed: one of the others says so, once, with what ran there; "host list" shows it as lost, with
// that. When it is started again it is a host as the others.
func TestAHostDies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	all := r.hosts([]string{"edge-1", "edge-2", "edge-3"}, "--label", "zone=edge")
	victim := all[1]
	r.weft("provider", "start", "httpserver", "--host", "edge-2")
	r.actor(module("ponger"), "--max", "3", "--host", "edge-2")
	r.actor(module("pinger"), "--max", "2", "--host", "edge-1")

	// All have heard what runs there when what they hear at the same time has come to the test.
	beats, err := event.Subscribe(t.Context(), r.nc, r.lattice, event.NameHostHeartbeat)
	if err != nil {
		t.Fatal(err)
	}
	defer beats.Close()
	latticetest.Eventually(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		e, err := beats.Next(ctx)
		if err != nil {
			return err
		}
		data, err := e.Decode()
		if h, ok := data.(event.HostHeartbeat); err != nil || !ok || h.HostID != victim.ID || len(h.Actors) != 1 ||
			len(h.Providers) != 1 {
			return errors.New("no heartbeat of edge-2 with all that runs there")
		}
		return nil
	})

	lost, err := event.Subscribe(t.Context(), r.nc, r.lattice, event.NameHostLost, event.NameHostFound)
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	var mu sync.Mutex
	var told []event.Event
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	watch.Go(func() {
		for {
			e, err := lost.Next(watching)
			if err != nil {
				return
			}
			mu.Lock()
			told = append(told, e)
			mu.Unlock()
		}
	})
	family := victim.kill()
	latticetest.Eventually(t, func() error { return family.gone() })

	runs := func(l control.LostHost) error {
		if l.HostID != victim.ID || l.FriendlyName != "edge-2" || l.Labels["zone"] != "edge" || l.Unknown ||
			l.LastHeard.IsZero() ||
			len(l.Actors) != 1 || l.Actors[0].Name != "ponger" || l.Actors[0].MaxInstances != 3 ||
			len(l.Providers) != 1 || l.Providers[0].ID != httpserverID {
			return fmt.Errorf("lost: %+v", l)
		}
		return nil
	}
	latticetest.Eventually(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(told) == 0 {
			return errors.New("nobody says that edge-2 is lost")
		}
		return nil
	})
	type hostView struct {
		ID    lattice.HostID    `json:"id"`
		Name  string            `json:"name"`
		State string            `json:"state"`
		Ran   *control.LostHost `json:"ran"`
	}
	list := func() map[string]hostView {
		hosts := map[string]hostView{}
		for _, h := range get[[]hostView](r, "host", "list") {
			hosts[h.Name] = h
		}
		return hosts
	}
	latticetest.Eventually(t, func() error {
		hosts := list()
		h := hosts["edge-2"]
		if len(hosts) != 3 || h.State != "lost" || h.Ran == nil || hosts["edge-1"].State != "running" ||
			hosts["edge-3"].State != "running" {
			return fmt.Errorf("host list: %+v", hosts)
		}
		return runs(*h.Ran)
	})
	text := r.weft("host", "list")
	if !strings.Contains(text, "edge-2 is lost: last heard ") ||
		!strings.Contains(text, "ran there: actor ponger (max 3), provider httpserver\n") {
		t.Errorf("host list:\n%s", text)
	}
	r.fails(3, "it is lost since ", "host", "drain", "edge-2")
	for _, h := range []*host{all[0], all[2]} {
		latticetest.Eventually(t, func() error {
			if n := h.metric("weft_hosts_lost"); n != 1 {
				return fmt.Errorf("weft_hosts_lost of %s: %v", h.Name, n)
			}
			return nil
		})
	}

	again := r.host("edge-2")
	if again.ID != victim.ID {
		t.Fatalf("the host is %s now, it was %s", again.ID, victim.ID)
	}
	latticetest.Eventually(t, func() error {
		if h := list()["edge-2"]; h.State != "running" || h.Ran != nil {
			return fmt.Errorf("host list: %+v", h)
		}
		for _, h := range []*host{all[0], all[2], again} {
			lost, err := r.ctl.Lost(context.Background(), h.ID)
			if err != nil || len(lost) > 0 {
				return fmt.Errorf("%s misses %+v, %v", h.Name, lost, err)
			}
		}
		return nil
	})

	// No host counts hosts that end cleanly as lost.
	r.weft("host", "stop", "edge-2")
	r.weft("host", "stop", "edge-3")
	silent := time.Now().Add(20 * time.Second) // longer than a host may be
	latticetest.Eventually(t, func() error {
		missed, err := r.ctl.Lost(context.Background(), all[0].ID)
		if err != nil || len(missed) > 0 {
			t.Fatalf("edge-1 misses %+v, %v", missed, err)
		}
		if left := time.Until(silent); left > 0 {
			return fmt.Errorf("%v are left", left)
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 {
		b, _ := json.Marshal(told)
		t.Fatalf("told %d times: %s", len(told), b)
	}
	data, err := told[0].Decode()
	l, ok := data.(event.HostLost)
	if err != nil || !ok || told[0].HostID() == victim.ID {
		t.Fatalf("told: %+v, %v", told[0], err)
	}
	if err := runs(l.LostHost); err != nil {
		t.Error(err)
	}
}
