// Package slack lets the timers of a process fire a little late, so that it is woken less often. Go's runtime has a
// thread that looks after things every 20 µs while the process is busy, and starts to whenever it is busy again after
// it was not, as a process that serves requests is thousands of times a second. See RATIONALE.md, "Why do processes of
// weft have timer slack?".
package slack

import "time"

// Slack is how late a timer may fire.
const Slack = 500 * time.Microsecond
