package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// Providers inside the host are what they are as processes: links, lists, metrics, calls both ways, restart of the
// host, end.
func TestInline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a", "--inline", "httpserver,keyvalue-nats")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-nats")
	r.actor(module("kvcounter"), "--max", "4")
	port := freePort(t)
	url := "http://" + local(port)
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	r.weft("link", "put", "kvcounter", "httpserver", "port="+strconv.Itoa(port))
	for n := 1; n <= 5; n++ { // HTTP → httpserver → actor → keyvalue-nats, all in one process
		want(t, "GET", url+"/inline", nil, 200, fmt.Sprintf(`{"counter":%d}`, n))
	}
	type view struct {
		Name   string `json:"name"`
		State  string `json:"state"`
		PID    int    `json:"pid"`
		Inline bool   `json:"inline"`
	}
	for _, p := range get[[]view](r, "provider", "list") {
		if !p.Inline || p.PID != 0 || p.State != "running" {
			t.Errorf("%+v", p)
		}
	}
	if out := r.weft("provider", "list"); strings.Count(out, "running, inline") != 2 {
		t.Errorf("provider list:\n%s", out)
	}
	metrics := h.metrics()
	for _, series := range []string{`weft_httpserver_requests_total{`, `weft_provider_calls_total{code="ok"`,
		`weft_provider_up{`} {
		if !strings.Contains(metrics, series) {
			t.Errorf("metrics lack %s", series)
		}
	}

	// Stopped alone: its address is free, the host and the other provider go on. Started again: as before.
	r.weft("provider", "stop", "httpserver")
	if _, _, err := request("GET", url+"/inline", nil); err == nil {
		t.Error("it listens after its end")
	}
	r.weft("provider", "start", "httpserver")
	latticetest.Eventually(t, func() error {
		status, body, err := request("GET", url+"/inline", nil)
		if err == nil && (status != 200 || body != `{"counter":6}`) {
			err = fmt.Errorf("%d %s", status, body)
		}
		return err
	})
	r.failsAs("a", 2, `no built-in provider "httpd"`, "host", "run", "--inline", "httpd")
}
