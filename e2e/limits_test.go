package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftlattice/weft/lattice"
)

// An actor that loops, hoards memory, recurses, answers hugely, panics or lies about pointers gets an error of its own
// each time, at once or at its limit. It goes on serving afterwards, and so does everybody else meanwhile.
func TestHostileActor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a")
	r.weft("provider", "start", "httpserver")
	hostile := r.actor(module("hostile"), "--max", "4", "--timeout-exec", "2s", "--memory", "48MiB")
	r.actor(module("echo"), "--max", "4")
	url, bystander := r.web("hostile", "timeout_ms=10000"), r.web("echo")
	others := startLoad(t, 30, gets(bystander+"/"), wantStatus(200))
	for _, deed := range []struct {
		name   string
		status int // over HTTP
		text   string
		codes  []lattice.Code // one of these
	}{
		{"loop", 500, "2s", []lattice.Code{lattice.ErrInterrupted}},
		{"bomb", 500, "50331648", []lattice.Code{lattice.ErrMemory}},
		{"recurse", 500, "", []lattice.Code{lattice.ErrStack, lattice.ErrMemory}},       // Go grows its stack in memory
		{"panic", 500, "on purpose", []lattice.Code{lattice.ErrTrap, lattice.ErrGuest}}, // the SDK catches it
		{"pointer", 500, "", []lattice.Code{lattice.ErrBadPointer}},
	} {
		t.Run(deed.name, func(t *testing.T) {
			_, err := r.call(hostile, "Hostile."+deed.name, nil)
			code := lattice.CodeOf(err)
			if !slices.Contains(deed.codes, code) || !strings.Contains(err.Error(), deed.text) {
				t.Errorf("got %s: %v; want %v and %q", code.Name(), err, deed.codes, deed.text)
			}
			status, body := fetch(t, "GET", url+"/"+deed.name, nil)
			if status != deed.status || !strings.Contains(body, `"code":"`+code.Name()+`"`) ||
				!strings.Contains(body, "trace_id") {
				t.Errorf("over HTTP: %d %s", status, body)
			}
			h.counts(1, "weft_invocations_total", `code="`+code.Name()+`"`, `operation="Hostile.`+deed.name+`"`,
				string(hostile))
			for range 5 { // more than there are instances
				want(t, "GET", url+"/ok", nil, 200, "ok")
			}
		})
	}
	others.more(30)
	others.stop().flawless(t, 60)
	if !h.alive() {
		t.Error("the host has ended")
	}
}
