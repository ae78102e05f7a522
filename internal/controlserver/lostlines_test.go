package controlserver

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

func TestWhoReadsLinesTooSlowlyIsToldHowManyWereLost(t *testing.T) {
	b := newBench(t)
	line, err := json.Marshal(control.LogLine{Text: "x"})
	if err != nil {
		t.Fatal(err)
	}
	const sent = 5000
	publish := func(n int) {
		for range n {
			if err := b.nc.Publish(subject.Log(b.control.Lattice, testActor), line); err != nil {
				t.Error(err)
			}
		}
		if err := b.nc.Flush(); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen, missing := 0, 0
	// nothing is read meanwhile
	err = b.client.FollowLogs(ctx, testActor, func() { publish(sent) }, func(control.LogLine) {
		if seen++; seen+missing >= sent {
			cancel()
		}
	}, func(n int) { missing += n })
	if err != nil || missing == 0 || seen+missing != sent {
		t.Errorf("%d seen, %d told as lost, of %d: %v", seen, missing, sent, err)
	}
}
