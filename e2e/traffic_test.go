package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// A key-value provider is attached by a link while requests flow. Those that need it fail with 503 until then and
// succeed from then on; those that do not need it never fail.
func TestAttachRedisUnderTraffic(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("edge-data-processor"), "--max", "8", "--spread")
	url := r.web("edge-data-processor")
	want(t, "POST", url+"/process", []byte("one"), 503, "")

	health := startLoad(t, 30, gets(url+"/health"), wantStatus(200))
	process := startLoad(t, 30, func(n int) (string, string, []byte) {
		return "POST", url + "/process",
			[]byte(strconv.Itoa(n))
	},
		func(status int, body string) error {
			if status == 503 || status == 200 {
				return nil
			}
			return fmt.Errorf("status %d: %s", status, body)
		})
	health.more(10)
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	health.more(10)
	r.weft("link", "put", "edge-data-processor", "keyvalue-redis", "url="+redis.url())
	attached := time.Now()
	for n := range 20 { // link put has waited for the provider: no request fails from now on
		want(t, "POST", url+"/process", fmt.Appendf(nil, "after %d", n), 200, "")
	}
	process.more(30)
	t.Logf("%v after the link: requests served", time.Since(attached).Round(time.Millisecond))
	process.stop().flawless(t, 30)
	health.stop().flawless(t, 60)
	if n := redis.do("DBSIZE"); n == "0" {
		t.Error("nothing is in Redis")
	}
}

// Instances come and go under load, on one host and spread over several, and no request notices.
func TestScaleUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b", "c"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(module("guest"), "--max", "4", "--host", "a")
	url := r.web("guest")
	// Each takes 20 ms of sleep, so that there are always many at once.
	l := startLoad(t, 70, gets(url+"/sleep?ms=20"), wantStatus(200)) // two instances serve up to 100
	l.more(50)
	for _, step := range [][]string{
		{"--max", "12", "--spread"}, {"--max", "3"}, {"--max", "30", "--spread"}, {"--max", "0", "--host", "c"},
		{"--max", "2", "--host", "b"}, {"--max", "0", "--host", "a"}, {"--max", "9", "--spread"}, {"--max", "6"},
	} {
		got := get[started](r, append([]string{"actor", "scale", "guest"}, step...)...)
		if fmt.Sprint(got.Max) != step[1] {
			t.Errorf("actor scale %v: %+v", step, got)
		}
		l.more(50)
	}
	l.stop().flawless(t, 400)
	total := uint32(0)
	for _, h := range hosts {
		for _, a := range r.inventory(h).Actors {
			for _, i := range a.Instances {
				total += i.MaxInstances
			}
		}
	}
	if total != 6 {
		t.Errorf("%d instances in the end, want 6", total)
	}
}

// The code of an actor is replaced on two hosts while requests flow. None is lost, and each is answered by the old code
// or the new; after the update only by the new.
func TestUpdateUnderLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hosts([]string{"a", "b"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	id := r.actor(module("guest"), "--max", "16", "--spread")
	url := r.web("guest")
	l := startLoad(t, 100, gets(url+"/sleep?ms=10"), wantStatus(200))
	l.more(50)
	for revision := 2; revision <= guestVersions; revision++ {
		next := module(guest(revision))
		got := get[started](r, "actor", "update", "guest", next, "--rev", strconv.Itoa(revision))
		updated := time.Now()
		if got.ID != string(id) || len(got.Hosts) != 2 {
			t.Errorf("actor update: %+v", got)
		}
		l.more(50)
		for _, o := range (report{outcomes: l.sofar()}).between(updated, time.Now()).outcomes {
			if o.err == nil && o.body != strconv.Itoa(revision) {
				t.Fatalf("after the update to %d the answer is still %q", revision, o.body)
			}
		}
	}
	rep := l.stop()
	rep.flawless(t, 200)
	versions := map[string]int{}
	for _, o := range rep.outcomes {
		versions[o.body]++
	}
	t.Logf("answers by version: %v", versions)
	if len(versions) != 4 {
		t.Errorf("answers by version: %v, want all four", versions)
	}
	r.fails(1, "revision", "actor", "update", "guest", module(guest(3)), "--rev", "3")
}
