package main

import (
	"fmt"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/deploy/operate"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/output"
)

func TestWatchersAreToldWhatTheyMissedWhileNATSWasAway(t *testing.T) {
	serve := func(port int) *server.Server {
		s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(time.Minute) {
			t.Fatal("NATS does not start")
		}
		return s
	}
	s := serve(-1)
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var errs output.Text
	a := &app{terminal: terminal{err: &errs, output: formatText}}
	defer operate.TellGaps(nc, a.tellGap)()
	if errs.String() != "" {
		t.Errorf("said before anything was lost: %s", &errs)
	}
	port := s.Addr().(*net.TCPAddr).Port
	s.Shutdown()
	s.WaitForShutdown()
	again := serve(port)
	defer again.Shutdown()
	line := regexp.MustCompile(`(?m)^weft: warning: the connection to NATS was lost between \d\d:\d\d:\d\d and ` +
		`\d\d:\d\d:\d\d; what was sent meanwhile is missing$`)
	latticetest.Eventually(t, func() error {
		if n := len(line.FindAllString(errs.String(), -1)); n != 1 {
			return fmt.Errorf("%d such lines in %q", n, errs.String())
		}
		return nil
	})
}
