package operate

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// Commands for a host that was lost say so and since when, whether it is named, or by its id; others are not found.
func TestCommandsForALostHostSaySinceWhenItIsLost(t *testing.T) {
	r := newRig(t)
	alive := r.host(t, "edge-1", nil)
	gone := control.LostHost{HostID: r.HostID(t), FriendlyName: "edge-2", LastHeard: time.Now().Add(-90 * time.Second)}
	alive.lost = []control.LostHost{gone}
	since := "it is lost since " + gone.LastHeard.Local().Format(time.DateTime) + ", "
	for name, do := range map[string]func(host string) error{
		"drain": func(host string) error { _, err := r.DrainHost(t.Context(), host); return err },
		"stop":  func(host string) error { _, err := r.StopHost(t.Context(), host, 0, false); return err },
		"label": func(host string) error {
			_, err := r.LabelHost(t.Context(), host, map[string]string{"a": "b"}, nil)
			return err
		},
		"start": func(host string) error {
			_, err := r.StartProvider(t.Context(), ProviderStart{Ref: "httpserver", Where: Where{Host: host}})
			return err
		},
	} {
		for _, query := range []string{"edge-2", "EDGE-2", string(gone.HostID), string(gone.HostID[:9])} {
			if err := do(query); !errors.Is(err, lattice.ErrNotFound) || !strings.Contains(err.Error(), since) ||
				!strings.Contains(err.Error(), "weft host list") {
				t.Errorf("%s %s: %v\nwant %s", name, query, err, since)
			}
		}
		if err := do("edge-9"); !errors.Is(err, lattice.ErrNotFound) || strings.Contains(err.Error(), "lost") {
			t.Errorf("%s of a host that never was: %v", name, err)
		}
	}
}

// A host that is there and does not answer is left out of what people see, and takes nothing else with it.
func TestAHostThatDoesNotAnswerHidesNoOther(t *testing.T) {
	r := newRig(t)
	r.host(t, "good", nil).claims = []control.Claims{{Subject: string(r.ActorID(t)), Name: "echo"}}
	bad := r.host(t, "bad", nil)
	bad.stuck = make(chan struct{})
	t.Cleanup(func() { close(bad.stuck) })
	v, err := r.View(t.Context())
	if err != nil || len(v.Hosts) != 1 || v.Hosts[0].FriendlyName != "good" {
		t.Fatalf("%+v, %v", v, err)
	}
}

// A host that answers long after the others, as a busy one does, is found by its name all the same.
func TestAHostThatAnswersLateIsFound(t *testing.T) {
	r := newRig(t)
	r.host(t, "quick", nil)
	r.host(t, "slow", nil).late = time.Second
	v, err := r.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h, err := v.Host("slow"); err != nil || h.FriendlyName != "slow" {
		t.Errorf("%+v, %v", h, err)
	}
}
