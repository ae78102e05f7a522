// Package dated says in the headers of a message when it was sent and for how long its sender waits for the answer,
// so that no receiver begins what nobody waits for. Package rpc reads them.
package dated

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/internal/clock"
	"github.com/weftlattice/weft/lattice/wire"
)

// The headers.
const (
	HeaderTimeout = "Weft-Timeout-Ms" // remaining time of the caller, whole milliseconds
	// when that was right, by the clock of the caller's machine: its id in base 36, and microseconds
	HeaderSent = "Weft-Sent"
)

// Text is how a header says a moment.
func Text(s wire.Stamp) string {
	return strconv.FormatUint(uint64(s.Clock), 36) + " " + strconv.FormatUint(s.Micros, 10)
}

// Mark says in the headers of a message that is no invocation that it is sent now, and for how long its sender waits
// for an answer. Nothing is said of a time that has passed.
func Mark(h nats.Header, left time.Duration) {
	if left <= 0 {
		return
	}
	h[HeaderTimeout] = []string{strconv.FormatInt(max(1, left.Milliseconds()), 10)}
	if stamp := clock.Now(); !stamp.IsZero() {
		h[HeaderSent] = []string{Text(stamp)}
	}
}
