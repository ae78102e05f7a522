package supervisor

import (
	"fmt"
	"slices"
	"time"
)

// Phase is where a process is in its life.
type Phase uint8

// The phases.
const (
	Starting Phase = iota + 1 // a child runs, or is about to, and does not serve yet
	Ready                     // it serves
	Backoff                   // it ended; the next one is started after State.Retry
	Stopping                  // it has been asked to end
	Stopped                   // it ended because it was asked to
	Failed                    // the first start did not succeed; there is no second
)

var phaseNames = map[Phase]string{
	Starting: "starting", Ready: "ready", Backoff: "backoff", Stopping: "stopping", Stopped: "stopped",
	Failed: "failed",
}

// String returns the word for the phase: "starting", "ready", "backoff", "stopping", "stopped", "failed".
func (p Phase) String() string {
	if s, ok := phaseNames[p]; ok {
		return s
	}
	return fmt.Sprintf("Phase(%d)", uint8(p))
}

// transitions holds every step there is.
var transitions = map[Phase][]Phase{
	0:        {Starting},
	Starting: {Ready, Backoff, Failed, Stopping},
	Ready:    {Backoff, Stopping},
	Backoff:  {Starting, Stopping},
	Stopping: {Stopped},
	Stopped:  {},
	Failed:   {},
}

// State is a snapshot of a process.
type State struct {
	Phase    Phase
	PID      int           // of the child; 0 when none runs
	Restarts int           // starts after the first
	Reason   string        // why the last child ended: "exit status 1", "signal: killed"; kept until the next end
	Stderr   []string      // the last lines of that child's standard error, at most 20
	Retry    time.Duration // in Backoff: from then to the next start
}

// transition returns s in another phase. A step that is not in the table is a fault of this package.
func (s State) transition(to Phase) (State, error) {
	if !slices.Contains(transitions[s.Phase], to) {
		return s, fmt.Errorf("no step from %s to %s", s.Phase, to)
	}
	s.Phase, s.Retry = to, 0
	return s, nil
}
