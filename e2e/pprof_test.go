package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// Profiles of a host, and of each built-in provider through it, also after a restart; none when nobody asked.
func TestProfiles(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a", "--pprof", "--inline", "keyvalue-nats")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-nats")
	url := "http://" + h.HTTPAddr
	profile := func(path, text string, status int) error {
		got, body, err := request("GET", url+path, nil)
		if err == nil && (got != status || !strings.Contains(body, text)) {
			err = fmt.Errorf("%s: %d, want %d with %q: %.200s", path, got, status, text, body)
		}
		return err
	}
	both := func() error {
		if err := profile("/debug/pprof/goroutine?debug=1", "weft/host.", 200); err != nil {
			return err
		}
		return profile("/debug/providers/httpserver/pprof/goroutine?debug=1", "weft/provider.", 200)
	}
	if err := both(); err != nil {
		t.Error(err)
	}
	if err := profile("/debug/providers/httpserver/pprof/profile?seconds=1", "", 200); err != nil {
		t.Error(err)
	}
	if err := profile("/debug/providers/keyvalue-nats/pprof/heap", "runs inside the host", 404); err != nil {
		t.Error(err)
	}
	process := func() (pid int, restarts uint64) {
		for _, p := range get[[]struct {
			Name     string `json:"name"`
			PID      int    `json:"pid"`
			Restarts uint64 `json:"restarts"`
		}](r, "provider", "list") {
			if p.Name == "httpserver" {
				return p.PID, p.Restarts
			}
		}
		return 0, 0
	}
	pid, _ := process()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error {
		if _, restarts := process(); restarts == 0 {
			return fmt.Errorf("not restarted yet")
		}
		return both()
	})
	r.failsAs("a", 2, "--http-addr 127.0.0.1:7422", "host", "run", "--pprof", "--http-addr", "0.0.0.0:0")
}
