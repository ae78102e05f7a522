package host_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
)

// Profiles are served where they are asked for, to requests for this machine. A provider that serves none is as it was.
func TestProfiles(t *testing.T) {
	r := newRig(t)
	h := r.host(func(c *host.Config) { withProvider(c); c.HTTPAddr, c.Pprof = "127.0.0.1:0", true })
	ev := r.events(event.NameProviderStarted)
	if err := r.control.StartProvider(context.Background(), control.StartProviderRequest{ProviderRef: "thing",
		LinkName: "default", HostID: h.ID()}); err != nil {
		t.Fatal(err)
	}
	ev.next()
	without := r.host(func(c *host.Config) { c.HTTPAddr = "127.0.0.1:0" })
	for _, c := range []struct {
		h          *host.Host
		path, host string
		status     int
		text       string
	}{
		{h, "/debug/pprof/", "", 200, "goroutine"},
		{h, "/debug/pprof/goroutine?debug=1", "localhost:1", 200, "host.(*Host)"},
		{h, "/debug/pprof/goroutine?debug=1", "rebound.example.org:7422", 403, "localhost or 127.0.0.1 only"},
		{h, "/debug/providers/thing/pprof/heap", "", 502, "not built on weft's SDK"},
		{h, "/debug/providers/thing/pprof/heap?link=other", "", 404, `no provider "thing" with link name "other"`},
		{h, "/debug/providers/nothing/pprof/heap", "rebound.example.org", 403, "only"},
		{without, "/debug/pprof/", "", 404, ""},
		{without, "/debug/providers/thing/pprof/heap", "", 404, ""},
	} {
		req, err := http.NewRequest(http.MethodGet, "http://"+c.h.HTTPAddr()+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(body), c.text) {
			t.Errorf("%s for %q: %s, %v, want %d with %q: %.300s", c.path, c.host, res.Status, err, c.status, c.text,
				body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestProfilesOnLoopbackOnly(t *testing.T) {
	for addr, ok := range map[string]bool{"127.0.0.1:7422": true, "[::1]:0": true, "localhost:7422": true,
		"": false, ":7422": false, "0.0.0.0:7422": false, "[::]:7422": false, "10.0.0.1:7422": false,
		"example.org:7422": false} {
		c := host.DefaultConfig()
		c.HTTPAddr, c.Pprof = addr, true
		err := c.Validate()
		if !errors.Is(err, lattice.ErrInvalid) { // it lacks keys, too
			t.Fatal(err)
		}
		if told := strings.Contains(err.Error(), "--http-addr 127.0.0.1:7422"); told == ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
