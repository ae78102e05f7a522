package channel

import "time"

// What a host asks the very process of a provider over its channel, as calls from itself (origin: the host's id,
// target: the provider). A process of an older SDK answers each with an error, which shows at least that it lives.
const (
	OpAlive    = "weft:alive"    // answered at once, with nothing
	OpHealth   = "weft:health"   // the answer is a wire.Health
	OpShutdown = "weft:shutdown" // the process ends in order
)

// Beat is the notice by which a host shows a provider each BeatPeriod that it does not hang. Older hosts send none.
const (
	Beat       = "beat"
	BeatPeriod = 250 * time.Millisecond
)

// spareShare is the share of a window that is kept for urgent calls: one of so many.
const spareShare = 256
