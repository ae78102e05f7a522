package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/subject"
)

// One of two hosts hangs: it is in the queue group and answers nothing. Lists come all the same, from the other one.
func TestListsComeWhenOneHostHangs(t *testing.T) {
	long.Test(t, "waits for a host that hangs")
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	c := subject.Control{Lattice: "hang"}
	for _, p := range c.HostPatterns("N") {
		if p.Queue == "" {
			continue
		}
		for _, answers := range []bool{true, false} {
			if _, err := nc.QueueSubscribe(p.Subject, p.Queue, func(m *nats.Msg) {
				if !answers {
					return
				}
				if m.Subject == c.GetClaims() {
					_ = m.Respond([]byte(`{"claims":[{"call_alias":"","caps":"","iss":"A","name":"echo","rev":"1",` +
						`"sub":"M","version":"1"}]}`))
				} else {
					_ = m.Respond([]byte(`{"links":[]}`))
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	client := control.NewClient(env.Conn(t), c, time.Minute)
	for range 20 { // each would be asked in vain with a chance of a half
		if _, err := client.Claims(context.Background()); err != nil {
			t.Fatalf("claims: %v", err)
		}
		if _, err := client.Links(context.Background()); err != nil {
			t.Fatalf("links: %v", err)
		}
	}
}
