package httpserver

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/weftlattice/weft/internal/load"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/trace"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider"
)

// TestUnknownLengthsAreCounted: a chunked body takes room as soon as it is large, and is turned away when there is
// none.
func TestUnknownLengthsAreCounted(t *testing.T) {
	const limit = 2 << 20
	budget := load.NewBudget(limit)
	h := &handler{env: provider.Env{Large: budget, Timeout: 500 * time.Millisecond}, waiting: newLedger(1<<30, 100)}
	wait := &hold{amount: 1, drop: func() {}}
	if h.waiting.take(wait) != granted {
		t.Fatal("no room")
	}
	read := func(size int, route *route) (int, int64, *failure) {
		r := httptest.NewRequest(http.MethodPost, "/",
			struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", size))})
		r.ContentLength = -1
		var into bytes.Buffer
		held, fail := h.readBody(t.Context(), &into, r, route, wait)
		return into.Len(), held, fail
	}
	to := &route{settings: settings{maxBody: limit}}
	if n, held, fail := read(wire.MaxInlineBytes, to); n != wire.MaxInlineBytes || held != 0 || fail != nil {
		t.Errorf("small: %d bytes, %d held, %v", n, held, fail)
	}
	n, held, fail := read(limit, to)
	if used, _ := budget.Used(); n != limit || held != limit || used != limit || fail != nil {
		t.Errorf("large: %d bytes, %d held, %d used, %v", n, held, used, fail)
	}
	if _, held, fail := read(wire.MaxInlineBytes+1, to); held != 0 || fail == nil ||
		fail.status != http.StatusServiceUnavailable || fail.code != lattice.ErrBusy {
		t.Errorf("without room: %d held, %+v", held, fail)
	}
	budget.Release(held)
	if _, held, fail = read(limit+1, to); fail == nil || fail.status != http.StatusRequestEntityTooLarge {
		t.Errorf("above the limit: %+v", fail)
	}
	budget.Release(held)
	if used, _ := budget.Used(); used != 0 {
		t.Errorf("%d bytes stay held", used)
	}
	if _, _, fail = read(wire.MaxInlineBytes+1,
		&route{settings: settings{maxBody: wire.MaxInlineBytes}}); fail == nil ||
		fail.status != http.StatusRequestEntityTooLarge {
		t.Errorf("above a limit that is not large: %+v", fail)
	}
}

// TestFailuresAreSeen: whatever the status, at a level that is on, with what finds the rest of the story, and not
// without end.
func TestFailuresAreSeen(t *testing.T) {
	var log bytes.Buffer
	h := &handler{log: slog.New(slog.NewTextHandler(&log, nil)), warnings: rate.NewLimiter(0, warnBurst)}
	refuse := func() {
		fail := callFailure(&lattice.Error{Code: lattice.ErrBusy, Detail: "no room"}, 0)
		h.refuse(&exchange{response: newNetResponse(httptest.NewRecorder()), ctx: t.Context(),
			trace: trace.Context{TraceID: [16]byte{1}},
			route: &route{actor: "MACTOR"}}, fail)
	}
	for range 10 * warnBurst {
		refuse()
	}
	if n := strings.Count(log.String(), "\n"); n != warnBurst {
		t.Errorf("%d lines, want %d", n, warnBurst)
	}
	for _, want := range []string{"level=WARN", "code=busy", "actor=MACTOR", "=01000000000000000000000000000000",
		"no room", "status=503"} {
		if line, _, _ := strings.Cut(log.String(), "\n"); !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	log.Reset()
	h.warnings = rate.NewLimiter(0, 1)
	refuse()
	if !strings.Contains(log.String(), "left_out=180") {
		t.Errorf("what was left out is not told: %s", log.String())
	}
}

func newNetResponse(w http.ResponseWriter) *netResponse {
	return &netResponse{w: w, control: http.NewResponseController(w), patience: time.Minute}
}
