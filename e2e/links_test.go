package e2e

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Whoever puts values that the provider refuses, on any of the hosts that run it, is told why, and the link that works goes on,
// stored as it was. The list tells of it, too.
func TestRefusedPutLeavesTheWorkingLink(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--max", "4", "--host", "a")
	url := r.web("guest")
	works := func(after string) {
		t.Helper()
		if status, body, err := request("GET", url+"/hello", nil); err != nil || status != 200 {
			t.Fatalf("after %s: %d %q, %v", after, status, body, err)
		}
	}
	works("the first put")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strings.TrimPrefix(url, "http://127.0.0.1:")
	foreign := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, c := range []struct {
		exit        int
		says, value string
	}{
		{1, "another process has it", "port=" + foreign}, {2, "did you mean address?", "adress=0.0.0.0"}, {2, "not supported; let the actor answer OPTIONS", "cors_allowed_origins=*"},
		{2, `want "/v1"`, "path=/v1/*"}, {2, "want a number from 1", "max_in_flight=0"}, {5, "--files-dir DIR", "config_json={\"tls\":{\"cert_file\":\"/etc/x\",\"priv_key_file\":\"/etc/x\"}}"},
		{2, "there is weft.route", "weft.rout=any"},
	} {
		args := []string{"link", "put", "guest", "httpserver", c.value}
		if !strings.HasPrefix(c.value, "port=") {
			args = append(args, "port="+port)
		}
		r.fails(c.exit, c.says, args...)
		works(c.value)
	}
	r.fails(1, "the link stays as it was", "link", "put", "guest", "httpserver", "port="+foreign)
	list := r.weft("link", "list")
	if !strings.Contains(list, "active (new values refused)") || !strings.Contains(list, "another process has it") {
		t.Errorf("link list says:\n%s", list)
	}
	if list := r.weft("link", "list", "-o", "json"); !strings.Contains(list, `"port": "`+port+`"`) || strings.Contains(list, `"port": "`+foreign+`"`) {
		t.Errorf("the values stored are not those that work:\n%s", list)
	}
	// The stored values are the old ones: they hold after a restart of the provider.
	r.weft("provider", "stop", "httpserver")
	r.weft("provider", "start", "httpserver", "--host", "a")
	eventually(t, 60*time.Second, func() error { _, _, err := request("GET", url+"/hello", nil); return err })
	works("a restart of the provider")
}

// A provider that takes the place of another one serves before the other loses the link; one that does not run takes nothing.
func TestProviderTakesAnothersPlaceOnceItServes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "a")
	r.actor(module("edge-data-processor"), "--max", "4", "--host", "b")
	url := r.web("edge-data-processor")
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	process := func() error { return answers("POST", url+"/process", []byte("x"), 200) }
	if err := process(); err != nil {
		t.Fatal(err)
	}
	r.fails(1, "start it first", "link", "put", "edge-data-processor", "keyvalue-redis", "url=redis://127.0.0.1:1")
	if err := process(); err != nil {
		t.Errorf("after a put for a provider that does not run: %v", err)
	}
}
