package supervisor

import (
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/backoff"
)

// Policy says how long to wait before a process that ended is started again. The wait is exponentially longer with each
// failure in a row, and jittered by a quarter up and down. So providers that fell together do not come back together.
type Policy struct {
	Min        time.Duration // before the first restart; 0 is 100 ms
	Max        time.Duration // ceiling; 0 is 30 s
	ResetAfter time.Duration // a process that served this long was healthy, and counting begins anew; 0 is 10 s
}

// Defaults of Policy.
const (
	defaultMinBackoff = 100 * time.Millisecond
	defaultMaxBackoff = 30 * time.Second
	defaultResetAfter = 10 * time.Second
)

// withDefaults fills in what is not set.
func (p Policy) withDefaults() Policy {
	if p.Min <= 0 {
		p.Min = defaultMinBackoff
	}
	if p.Max <= 0 {
		p.Max = defaultMaxBackoff
	}
	if p.Max < p.Min {
		p.Max = p.Min
	}
	if p.ResetAfter <= 0 {
		p.ResetAfter = defaultResetAfter
	}
	return p
}

// tracker applies a Policy to one process. It does nothing by itself and belongs to one goroutine.
type tracker struct {
	policy Policy
	now    func() time.Time
	random func() float64 // in [0, 1)

	failures int       // in a row
	readyAt  time.Time // zero while not ready
}

func newTracker(p Policy, now func() time.Time, random func() float64) *tracker {
	return &tracker{policy: p.withDefaults(), now: now, random: random}
}

// ready notes that the process serves.
func (t *tracker) ready() { t.readyAt = t.now() }

// maxExcused is how many failures in a row count at most while the process is excused.
const maxExcused = 3

// ended notes that it ended, or failed to start, and says when to start it again and why then.
func (t *tracker) ended(cause string, excused bool) (delay time.Duration, reason string) {
	if !t.readyAt.IsZero() && t.now().Sub(t.readyAt) >= t.policy.ResetAfter {
		t.failures = 0
	}
	if excused {
		t.failures = min(t.failures, maxExcused)
	}
	t.readyAt = time.Time{}
	pauses := backoff.Policy{First: t.policy.Min, Max: t.policy.Max, Jitter: 0.25}
	delay = min(pauses.PauseAt(t.failures, t.random()), t.policy.Max)
	t.failures++
	if t.failures == 1 {
		return delay, fmt.Sprintf("%s; restart in %s", cause, delay.Round(time.Millisecond))
	}
	return delay, fmt.Sprintf("%s; failure %d in a row, restart in %s", cause, t.failures,
		delay.Round(time.Millisecond))
}
