package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// readiness asks a host whether it is ready, and fails unless the answer has that status and those words.
func readiness(addr string, status int, words string) func() error {
	return func() error {
		code, body, err := request("GET", "http://"+addr+"/readyz", nil)
		if err == nil && (code != status || !strings.Contains(body, words)) {
			err = fmt.Errorf("readyz of %s: %d %q, want %d and %q", addr, code, body, status, words)
		}
		return err
	}
}

// The disk that NATS keeps its data on runs full and becomes free again, while a second host has joined by token. The
// error of a command that is turned away says "disk". Small things like links go on as long as they can. Nothing has to
// be started again by hand.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := latticetest.SmallDisk(t, 96<<20)
	r := newStation(t)
	if err := os.Symlink(disk.Dir, filepath.Join(r.dir, "operator")); err != nil {
		t.Fatal(err)
	}
	s := r.up("--nats-auth", "--name", "first")
	token := filepath.Join(r.dir, "second.token")
	if err := os.WriteFile(token, []byte(r.weft("token", "create", "--name", "second", "--expires", "1h")),
		0o600); err != nil {
		t.Fatal(err)
	}
	r.tokens = map[string]string{"second": token} // so that the rig makes no other
	second := r.host("second", "--join", token)
	first := &host{process: second.process, Name: "first", HTTPAddr: s.HTTPAddr}
	r.weft("actor", "start", module("edge-data-processor"), "--max", "1", "--host", "first")
	r.weft("provider", "start", "httpserver", "--host", "first")
	if n := first.metric("weft_nats_disk_free_bytes"); n < 1<<20 || first.metric("weft_nats_disk_full") != 0 {
		t.Errorf("%v bytes free", n)
	}

	// 1. Little room: links are put, an actor's module is not.
	empty := disk.Fill(500 << 10)
	latticetest.Eventually(t, readiness(s.HTTPAddr, http.StatusServiceUnavailable, "the disk is full"))
	first.counts(1, "weft_nats_disk_full")
	if res := r.try("actor", "start", module("guest")); res.code == 0 || !strings.Contains(res.errout, "disk") {
		t.Errorf("an actor on a full disk: %v", res)
	}
	url := ""
	latticetest.Eventually(t, func() error {
		port := freePort(t)
		if res := r.try("link", "put", "edge-data-processor", "httpserver", fmt.Sprint("port=", port)); res.code != 0 {
			return errors.New(res.String())
		}
		url = "http://" + local(port)
		return nil
	})
	latticetest.Eventually(t, func() error { return answers("GET", url+"/health", nil, 200) })

	// 2. No room at all: the other host learns it from its errors.
	full := func(args ...string) func() error {
		return func() error {
			disk.Fill(0) // what was kept in reserve, too
			if res := r.try(args...); res.code == 0 || !strings.Contains(res.errout, "disk") {
				return errors.New(res.String())
			}
			return nil
		}
	}
	latticetest.Eventually(t, full("link", "put", "edge-data-processor", "httpserver",
		fmt.Sprint("port=", freePort(t)), "path=/x"))
	latticetest.Eventually(t, func() error {
		_ = full("provider", "start", "keyvalue-nats", "--host", "second")() // its claims cannot be stored
		return readiness(second.HTTPAddr, http.StatusServiceUnavailable, "disk")()
	})

	// 3. Room again.
	empty()
	for _, addr := range []string{s.HTTPAddr, second.HTTPAddr} {
		latticetest.Eventually(t, readiness(addr, 200, "ready"))
	}
	first.counts(0, "weft_nats_disk_full")
	r.weft("actor", "start", module("guest"))
	url = r.web("edge-data-processor")
	latticetest.Eventually(t, func() error { return answers("GET", url+"/health", nil, 200) })
}
