package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// refusalLines are what a log says of credentials that NATS does not take.
var refusalLines = regexp.MustCompile(`(?i)credentials|authoriz|authentic|NATS error`)

// A host whose token was revoked, and one whose token expires, say so, once, and what to do, in the log and in their
// readiness. A command that uses the token says it, too. Neither the log of the host nor that of the server fills
// meanwhile.
func TestRevokedAndExpired(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.newToken("revoked")
	const life = 40 * time.Second
	made := time.Now()
	r.newToken("expired", "--expires", life.String())
	r.newToken("laptop", "--role", "operator")
	r.newToken("visitor", "--role", "operator", "--expires", "2s")
	hosts := r.hosts([]string{"revoked", "expired", "stays"})
	r.weft("provider", "start", "httpserver", "--host", "revoked")
	for _, name := range []string{"revoked", "laptop"} {
		if res := r.run(r.serverEnv(), "token", "revoke", name); res.code != 0 {
			t.Fatal(res)
		}
	}
	for i, says := range []string{"the credentials of revoked were revoked", "the credentials of expired expired at "} {
		h := hosts[i]
		latticetest.Eventually(t, func() error {
			status, body, err := request("GET", "http://"+h.HTTPAddr+"/readyz", nil)
			if err == nil && (status != 503 || !strings.Contains(body, says) ||
				!strings.Contains(body, "weft token create")) {
				err = fmt.Errorf("readiness of %s after %v: %d %s", h.Name, time.Since(made).Round(time.Second),
					status, body)
			}
			if err == nil && !strings.Contains(tail(h.stderr, 1<<20), says) {
				err = fmt.Errorf("the log of %s does not say: %s", h.Name, says)
			}
			return err
		})
	}
	time.Sleep(10 * time.Second)              // in which 40 lines came
	for i, connections := range []int{3, 2} { // two of a host, one of a provider
		lines := 0
		for line := range strings.Lines(tail(hosts[i].stderr, 1<<20)) {
			if refusalLines.MatchString(line) {
				lines++
				t.Log(strings.TrimSpace(line))
			}
		}
		if lines == 0 || lines > 2*connections { // a minute may pass
			t.Errorf("%s: %d lines about its credentials, want one for each of %d connections", hosts[i].Name, lines,
				connections)
		}
	}
	if out := tail(hosts[0].stderr, 1<<20); !strings.Contains(out, "the host gave this provider") {
		t.Error("the provider of the revoked host says nothing")
	}
	r.failsAs("laptop", 5, "the credentials of laptop were revoked", "host", "list")
	r.failsAs("visitor", 5, "the credentials of visitor expired at", "host", "list")
	r.failsAs("revoked", 5, "the credentials of revoked were revoked", "host", "run", "--http-addr", "")
	if status, _, err := request("GET", "http://"+hosts[2].HTTPAddr+"/readyz", nil); err != nil || status != 200 {
		t.Errorf("the host that stays: %d %v", status, err)
	}
}
