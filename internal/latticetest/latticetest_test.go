package latticetest

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) { VerifyMain(m) }

func TestEnvSurvivesRestart(t *testing.T) {
	e := NATS(t)
	url := e.URL
	nc := e.Conn(t)
	e.Stop(t)
	e.Start(t)
	if e.URL != url {
		t.Fatalf("moved from %s to %s", url, e.URL)
	}
	Eventually(t, nc.Flush)
	if other := NATS(t); other.Lattice == e.Lattice || other.URL == e.URL {
		t.Fatal("two environments share something")
	}
}

func TestPollReportsTheLastError(t *testing.T) {
	n := 0
	err := poll(10*time.Millisecond, func() error {
		n++
		return errors.New("the reason")
	})
	if err == nil || !strings.Contains(err.Error(), "the reason") || n < 2 {
		t.Fatalf("got %v after %d calls", err, n)
	}
	if err := poll(time.Second, func() error {
		if n--; n > 0 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
