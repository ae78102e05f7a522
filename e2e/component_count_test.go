package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// counterRevision writes a revision of the component counter into the rig's folder.
func (r *rig) counterRevision(n int) string {
	r.t.Helper()
	const word = " is not known"
	code, err := os.ReadFile(component(r.t, "counter"))
	if err != nil {
		r.t.Fatal(err)
	}
	if bytes.Count(code, []byte(word)) != 1 {
		r.t.Fatal("counter.wasm does not hold its word once")
	}
	path := filepath.Join(r.dir, fmt.Sprintf("counter-%d.wasm", n))
	code = bytes.Replace(code, []byte(word), fmt.Appendf(nil, " in %d not known", n)[:len(word)], 1)
	if err := os.WriteFile(path, code, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// A component on two hosts counts the requests that come by way of a third one, in Redis behind wasi:keyvalue. It is
// updated three times meanwhile: each request is answered and counted once.
func TestComponentCountsWhileItIsUpdated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	redis := r.redis()
	hosts := r.hosts([]string{"a", "b", "c"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.weft("provider", "start", "keyvalue-redis", "--host", "a")
	r.weft("provider", "start", "keyvalue-redis", "--host", "b")
	sign := []string{"--name", "counter", "--rev"}
	r.actor(r.counterRevision(1), append(sign, "1", "--max", "8", "--host", "b")...)
	r.weft("actor", "scale", "counter", "--max", "8", "--host", "c")
	r.weft("link", "put", "counter", "keyvalue-redis", "url="+redis.url())
	url := r.web("counter")
	l := startLoad(t, 40, gets(url+"/count/n"), wantStatus(200))
	l.more(40)
	for rev := 2; rev <= 4; rev++ {
		got := get[started](r, append([]string{"actor", "update", "counter", r.counterRevision(rev)},
			append(sign, strconv.Itoa(rev))...)...)
		if len(got.Hosts) != 2 {
			t.Errorf("actor update: %+v", got)
		}
		if _, body, err := request("GET", url+"/other", nil); !strings.Contains(body, fmt.Sprintf(" in %d not", rev)) {
			t.Errorf("after the update to %d: %q, %v", rev, body, err)
		}
		l.more(40)
	}
	rep := l.stop()
	rep.flawless(t, 160)
	var counts []int
	for _, o := range rep.outcomes {
		if o.err != nil {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(o.body))
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, n)
	}
	slices.Sort(counts)
	for i, n := range counts {
		if n != i+1 {
			t.Fatalf("%d requests were answered, and no one got count %d", len(counts), i+1)
		}
	}
	if stored := redis.do("GET", "n"); stored != strconv.Itoa(len(counts)) {
		t.Errorf("Redis has counted %s of %d requests", stored, len(counts))
	}
	for _, h := range hosts[1:] {
		if h.metric("weft_invocations_total") == 0 {
			t.Errorf("host %s has answered nothing", h.Name)
		}
	}
}
