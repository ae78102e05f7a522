package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/control"
)

// These tests kill with SIGKILL while requests flow, and measure how long it takes until all is well again. What the
// project promises is 3 s; machines that run tests are slow, so the tests allow recoveryLimit and log what it took.
const recoveryLimit = 6 * time.Second

// stubborn is a provider of somebody else: it ignores every wish to end and has a child.
const stubborn = `#!/bin/sh
trap '' TERM INT HUP
sleep 3600 &
echo weft:ready
while :; do sleep 1; done
`

// A host dies. Requests that were not on it go on, new ones go elsewhere, and nothing of it is left.
func TestHostKilled(t *testing.T) {
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b", "c"})
	victim := hosts[1]
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "b")
	script := filepath.Join(r.dir, "stubborn")
	if err := os.WriteFile(script, []byte(stubborn), 0o700); err != nil {
		t.Fatal(err)
	}
	other := get[started](r, "provider", "start", script, "--contract", "acme:stubborn", "--host", "b")
	r.actor(module("guest"), "--max", "48", "--spread")
	url := r.web("guest")

	inv := r.inventory(victim)
	var groups []family
	for _, p := range inv.Providers {
		groups = append(groups, group(p.PID))
	}
	if len(groups) != 2 || len(groups[0]) == 0 || len(groups[1]) == 0 {
		t.Fatalf("providers of the victim: %+v", inv.Providers)
	}
	if p, err := r.provider(victim, lattice.ProviderID(other.ID)); err != nil || len(group(p.PID)) < 2 {
		t.Fatalf("the stubborn provider has no child: %+v, %v", p, err)
	}

	l := startLoad(t, 100, gets(url+"/sleep?ms=100"), wantStatus(200))
	l.more(100)
	killed := time.Now()
	children := victim.kill()
	latticetest.Eventually(t, func() error {
		for _, g := range groups {
			if err := g.gone(); err != nil {
				return err
			}
		}
		return children.gone()
	})
	latticetest.Promised(t, fmt.Sprintf("all %d processes of the host gone", len(children)), time.Since(killed),
		recoveryLimit)
	l.more(150)
	rep := l.stop()
	t.Log(rep)
	recovered, failed := rep.recovered(killed), rep.failures()
	t.Logf("last request that failed began %v after the kill; %d failed", recovered.Round(time.Millisecond),
		len(failed))
	// Those in flight on the victim may fail: a third of those there were, and of those that came until NATS noticed.
	for _, o := range failed {
		if o.begin.Add(o.took).Before(killed) {
			t.Errorf("a request failed before the kill: %v", o.err)
		}
	}
	if len(failed) > rep.most {
		t.Errorf("%d requests failed, though only %d were in flight at once", len(failed), rep.most)
	}
	latticetest.Promised(t, "last request that failed began after the kill", recovered, recoveryLimit)
	for _, o := range failed {
		if !strings.Contains(o.err.Error(), "503") || o.took > 5*time.Second {
			t.Errorf("a request on the dead host: %v after %v, want 503 soon", o.err, o.took)
		}
	}
	latticetest.Eventually(t, func() error {
		if n := len(get[[]struct{}](r, "host", "list")); n != 2 {
			return fmt.Errorf("%d hosts are listed", n)
		}
		return nil
	})

	again := r.host("b") // with the data that the dead one left
	if again.ID != victim.ID {
		t.Errorf("the host was %s and is now %s", victim.ID, again.ID)
	}
	if s := get[started](r, "actor", "scale", "guest", "--max", "48", "--spread"); len(s.Hosts) != 3 {
		t.Errorf("actor scale: %+v", s)
	}
	for range 12 {
		want(t, "GET", url+"/version", nil, 200, "1")
	}
}

// The processes of providers die. They are back with their links, and the inventory tells.
func TestProviderKilled(t *testing.T) {
	r := newRig(t)
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-nats")
	r.actor(module("kvcounter"), "--max", "8")
	r.weft("link", "put", "kvcounter", "keyvalue-nats")
	url := r.web("kvcounter")
	want(t, "GET", url+"/x", nil, 200, `{"counter":1}`)
	for _, id := range []lattice.ProviderID{kvnatsID, httpserverID} {
		before, err := r.provider(h, id)
		if err != nil {
			t.Fatal(err)
		}
		g := group(before.PID)
		l := startLoad(t, 50, gets(url+"/load"), wantStatus(200))
		l.more(20)
		killed := time.Now()
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		latticetest.Eventually(t, g.gone)
		l.more(50)
		rep := l.stop()
		t.Log(rep)
		recovered := rep.recovered(killed)
		latticetest.Promised(t, before.Name+": last request that failed began after kill -9", recovered, recoveryLimit)
		latticetest.Eventually(t, func() error {
			after, err := r.provider(h, id)
			if err == nil && (after.Restarts != before.Restarts+1 || after.PID == before.PID ||
				after.State != control.StateRunning) {
				err = fmt.Errorf("after the restart: %+v", after)
			}
			return err
		})
	}
	h.counts(2, "weft_provider_restarts_total")
	for _, l := range get[[]struct{ State string }](r, "link", "list") {
		if l.State != "active" {
			t.Errorf("a link is %s", l.State)
		}
	}
}

// The NATS server dies and comes back with its data. Hosts, providers and links serve again, and so does control.
func TestNATSKilled(t *testing.T) {
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-nats", "--host", "b")
	r.actor(module("edge-data-processor"), "--max", "16", "--spread")
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	url := r.web("edge-data-processor")
	want(t, "POST", url+"/process", []byte("hello"), 200, helloAnswer)
	l := startLoad(t, 50, func(n int) (string, string, []byte) { return "POST", url + "/process", fmt.Append(nil, n) },
		wantStatus(200))
	l.more(50)
	r.nats.kill()
	killed := time.Now()
	if status, body := fetch(t, "GET", url+"/health", nil); status != 200 {
		t.Errorf("without NATS: %d %s, want 200: the call does not leave its host", status, body)
	}
	begun := time.Now()
	if status, body := fetch(t, "POST", url+"/process", []byte("x")); status < 500 {
		t.Errorf("without NATS and the store on another host: %d %s, want an error", status, body)
	}
	latticetest.Promised(t, "an error without NATS", time.Since(begun), 6*time.Second)
	r.fails(7, "reach NATS at "+r.url(), "host", "list")
	r.startNATS()
	back := time.Now()
	latticetest.Eventually(t, func() error { return answers("POST", url+"/process", []byte("back"), 200) })
	t.Logf("first answer %v after the server was back (away for %v)", time.Since(back).Round(time.Millisecond),
		back.Sub(killed).Round(time.Millisecond))
	l.more(100)
	rep := l.stop()
	t.Log(rep)
	recovered := rep.recovered(back)
	latticetest.Promised(t, "last request that failed began after the server was back", recovered, 15*time.Second)
	want(t, "GET", url+"/cache/"+helloHash, nil, 200, helloAnswer) // what was stored before is there
	if hosts := get[[]struct{ State string }](r, "host", "list"); len(hosts) != 2 {
		t.Errorf("%d hosts after the restart", len(hosts))
	}
	r.weft("actor", "scale", "edge-data-processor", "--max", "4")
	r.weft("link", "del", "edge-data-processor", "keyvalue-nats")
	latticetest.Eventually(t, func() error { return answers("POST", url+"/process", []byte("x"), 503) })
	r.weft("link", "put", "edge-data-processor", "keyvalue-nats")
	latticetest.Eventually(t, func() error { return answers("POST", url+"/process", []byte("x"), 200) })
}

// A host that is asked to end while NATS is away ends in order, and does not wait for answers that cannot come.
func TestHostEndsWithoutNATS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	r.actor(module("guest"))
	r.nats.kill()
	children := descendants(h.pid())
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.ended:
	case <-time.After(recoveryLimit):
		t.Errorf("still there after %v", recoveryLimit)
	}
	latticetest.Eventually(t, children.gone)
}

// Redis dies. Callers hear of it soon and clearly, and once it is back all is well without anybody's help.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	r.weft("provider", "start", "keyvalue-redis")
	r.actor(module("edge-data-processor"), "--max", "16")
	r.weft("link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url())
	url := r.web("edge-data-processor")
	want(t, "POST", url+"/process", []byte("hello"), 200, helloAnswer)
	before, err := r.provider(h, redisID)
	if err != nil {
		t.Fatal(err)
	}
	health := startLoad(t, 30, gets(url+"/health"), wantStatus(200))
	redis.kill()
	for range 5 {
		begun := time.Now()
		status, body := fetch(t, "POST", url+"/process", []byte("hello"))
		latticetest.Promised(t, fmt.Sprintf("%d without Redis", status), time.Since(begun), 2*time.Second)
		if status != 503 {
			t.Errorf("without Redis: %d %s, want 503", status, body)
		}
	}
	want(t, "GET", url+"/cache/"+helloHash, nil, 503, "")
	redis.start()
	back := time.Now()
	latticetest.Eventually(t, func() error { return answers("POST", url+"/process", []byte("again"), 200) })
	latticetest.Promised(t, "serves again after Redis was back", time.Since(back), recoveryLimit)
	want(t, "GET", url+"/cache/"+helloHash, nil, 200, helloAnswer)

	// One that hangs is no better than one that is gone.
	if err := redis.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		begun := time.Now()
		status, body := fetch(t, "POST", url+"/process", []byte("hello"))
		latticetest.Promised(t, fmt.Sprintf("%d with Redis hanging", status), time.Since(begun), 2500*time.Millisecond)
		if status != 503 {
			t.Errorf("with Redis hanging: %d %s, want 503", status, body)
		}
	}
	if err := redis.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error { return answers("POST", url+"/process", []byte("again"), 200) })

	health.more(30)
	health.stop().flawless(t, 30)
	if after, err := r.provider(h, redisID); err != nil || after.PID != before.PID {
		t.Errorf("the provider was restarted for it: %+v, %v", after, err)
	}
}
