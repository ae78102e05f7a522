package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// helloComponent writes a revision of the component hello into the rig's folder: each answers in its own word.
func (r *rig) helloComponent(word string) string {
	r.t.Helper()
	code, err := os.ReadFile(component(r.t, "hello"))
	if err != nil {
		r.t.Fatal(err)
	}
	if bytes.Count(code, []byte("hello from ")) != 1 || len(word) != len("hello") {
		r.t.Fatal("hello.wasm does not hold its word once")
	}
	path := filepath.Join(r.dir, word, "hello.wasm")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(code, []byte("hello from "), []byte(word+" from "), 1),
		0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// A component on two hosts, asked by an httpserver on a third one, is replaced while requests flow: none is lost, and
// after the update only the new code answers. Then one of the two hosts dies: what was on it fails at once and by name,
// all else is answered.
func TestComponentOnThreeHosts(t *testing.T) {
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b", "c"})
	r.weft("provider", "start", "httpserver", "--host", "a")
	r.actor(r.helloComponent("hello"), "--max", "16", "--host", "b")
	r.weft("actor", "scale", "hello", "--max", "16", "--host", "c")
	url := r.web("hello")
	upload := strings.Repeat("0123456789abcde\n", 2000)
	l := startLoad(t, 60, func(n int) (string, string, []byte) {
		if n%4 == 0 {
			return "POST", url + "/echo", []byte(upload)
		}
		return "GET", url + "/page", nil
	}, func(status int, body string) error {
		if status == 200 && (body == upload || body == "hello from /page\n" || body == "HELLO from /page\n") {
			return nil
		}
		return fmt.Errorf("%d %.200s", status, body)
	})
	l.more(60)
	got := get[started](r, "actor", "update", "hello", r.helloComponent("HELLO"))
	updated := time.Now()
	if len(got.Hosts) != 2 {
		t.Errorf("actor update: %+v", got)
	}
	l.more(60)
	old, now := 0, 0
	outcomes := report{outcomes: l.sofar()}
	outcomes.flawless(t, 120)
	for _, o := range outcomes.outcomes {
		switch o.body {
		case "hello from /page\n":
			if old++; o.begin.After(updated) {
				t.Error("after the update the old code still answers")
			}
		case "HELLO from /page\n":
			now++
		}
	}
	if old == 0 || now == 0 {
		t.Errorf("%d answers of the old code, %d of the new", old, now)
	}
	for _, h := range hosts[1:] {
		if h.metric("weft_invocations_total") == 0 {
			t.Errorf("host %s has answered nothing:\n%s", h.Name, grep(h.metrics(), "weft_invocations_total"))
		}
	}

	killed := time.Now()
	hosts[2].kill()
	l.more(100)
	rep := l.stop()
	recovered, failed := rep.recovered(killed), rep.failures()
	for _, o := range failed {
		if o.begin.Add(o.took).Before(killed) || !strings.Contains(o.err.Error(), "503") {
			t.Errorf("a request fails with %v, %v after the kill", o.err, o.begin.Sub(killed))
		}
	}
	if len(failed) > rep.most {
		t.Errorf("%d requests failed, though only %d were in flight at once", len(failed), rep.most)
	}
	latticetest.Promised(t, "last request that failed began after the kill", recovered, recoveryLimit)
}
