package rollout

import (
	"errors"
	"fmt"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

// Ready is what is known of the new revision on its hosts.
type Ready struct {
	All bool // each host that runs the actor holds both revisions, warm
	// Problem is what keeps a host from it, for people.
	Problem string
}

// Next moves a rollout on, as far as it goes now. again is when it may go on by time alone; zero: it will not.
func Next(spec *manifest.Rollout, s State, ready Ready, now time.Time) (next State, again time.Time) {
	for range len(spec.Steps) + 3 { // each turn ends a step or a phase
		moved := false
		if s, again, moved = turn(spec, s, ready, now); !moved {
			break
		}
	}
	return s, again
}

// turn moves on by one step or phase.
func turn(spec *manifest.Rollout, s State, ready Ready, now time.Time) (next State, again time.Time, moved bool) {
	switch s.Phase {
	case Preparing:
		return prepare(spec, s, ready, now)
	case Progressing:
		if s, moved := judge(spec, s, now); moved {
			return s, time.Time{}, true
		}
		return step(spec, s, now)
	case Paused: // what is watched goes on being watched
		s, moved := judge(spec, s, now)
		return s, time.Time{}, moved && s.Phase != Paused
	case Promoted:
		return s, until(s.Since.Add(spec.KeepOld), now), false
	}
	return s, until(s.Since.Add(spec.KeepNew), now), false
}

// until is a time that is still to come, or zero.
func until(t, now time.Time) time.Time {
	if t.After(now) {
		return t
	}
	return time.Time{}
}

func prepare(spec *manifest.Rollout, s State, ready Ready, now time.Time) (State, time.Time, bool) {
	if ready.All {
		s = s.enter(Progressing, now, "", "", "the new revision is ready on all hosts")
		s.Step = 0
		s.Background, s.Inline = nil, nil
		return begin(spec, s, now), time.Time{}, true
	}
	end := s.Since.Add(spec.Deadline)
	if now.Before(end) {
		return s, end, false
	}
	reason := fmt.Sprintf("the new revision was not ready on all hosts within %s", spec.Deadline)
	if ready.Problem != "" {
		reason += ": " + ready.Problem
	}
	return s.enter(Failed, now, "", reason, reason), time.Time{}, true
}

// begin begins the step that the state is at.
func begin(spec *manifest.Rollout, s State, now time.Time) State {
	s.Since, s.Inline = now, nil
	if len(s.Background) == 0 && s.Step >= spec.FromStep {
		s.Background = runs(spec.Analysis, now)
	}
	if s.Step < len(spec.Steps) {
		step := &spec.Steps[s.Step]
		s.Inline = runs(step.Analysis, now)
		return s.note(now, "", fmt.Sprintf("step %d of %d: %s", s.Step+1, len(spec.Steps), Title(step)))
	}
	return s
}

// Title says in a few words what a step is.
func Title(s *manifest.Step) string {
	switch {
	case s.Weight != nil && s.Where != nil:
		return fmt.Sprintf("%d %% where %v", *s.Weight, s.Where)
	case s.Weight != nil:
		return fmt.Sprintf("%d %%", *s.Weight)
	case s.Pause == manifest.Forever:
		return "pause until a person goes on"
	case s.Pause > 0:
		return fmt.Sprintf("pause for %s", s.Pause)
	}
	return "analysis"
}

// judge looks at what was measured: a failed metric ends the rollout, an inconclusive one pauses it.
func judge(spec *manifest.Rollout, s State, now time.Time) (State, bool) {
	inconclusive := ""
	for _, part := range [][]Run{s.Background, s.Inline} {
		for _, r := range part {
			if r.DryRun {
				continue
			}
			switch r.Verdict {
			case RunFailed, RunError:
				return s.enter(Failed, now, "", r.Why, "back to the old revision: "+r.Why), true
			case RunInconclusive:
				inconclusive = r.Why
			}
		}
	}
	if inconclusive != "" && s.Phase != Paused {
		return s.pause(now, "", inconclusive), true
	}
	return s, false
}

// waits reports whether what is watched has to be measured before a step may end: a measurement is due, or there was
// no data for the last one.
func waits(s State, now time.Time) bool {
	for _, r := range s.Background {
		if !r.DryRun && r.Verdict == RunGoes && (!now.Before(r.Next) || !r.NoData.IsZero()) {
			return true
		}
	}
	return false
}

// step ends the step where it has ended.
func step(spec *manifest.Rollout, s State, now time.Time) (next State, again time.Time, moved bool) {
	if s.Step < len(spec.Steps) && spec.Steps[s.Step].Weight != nil {
		s.Step++ // a weight is there at once
		return begin(spec, s, now), time.Time{}, true
	}
	if waits(s, now) {
		return s, time.Time{}, false
	}
	if s.Step >= len(spec.Steps) {
		if spec.Promote == manifest.Manual {
			return s.pause(now, "", "all steps are done, and a person promotes"), time.Time{}, true
		}
		return s.enter(Promoted, now, "", "", "promoted: the new revision has all calls"), time.Time{}, true
	}
	at := &spec.Steps[s.Step]
	switch {
	case at.Pause == manifest.Forever:
		return s.pause(now, "", "the step waits for a person"), time.Time{}, true
	case at.Pause > 0 && now.Before(s.Since.Add(at.Pause)):
		return s, s.Since.Add(at.Pause), false
	case len(at.Analysis) > 0:
		for _, r := range s.Inline {
			if r.Verdict == RunGoes && !r.DryRun {
				return s, time.Time{}, false // until what is due has been measured
			}
		}
	}
	s.Step++
	return begin(spec, s, now), time.Time{}, true
}

// Action is what a person does with a rollout.
type Action string

// The actions.
const (
	Pause       Action = "pause"
	Resume      Action = "resume"  // goes on where it was paused
	Promote     Action = "promote" // ends the pause or the step; after the last one it promotes
	PromoteFull Action = "promote --full"
	Abort       Action = "abort"
	Retry       Action = "retry" // begins again after it was aborted or has failed
)

// Act does what a person wants, by whose key. Its error says why it cannot be done now.
func Act(spec *manifest.Rollout, s State, a Action, by string, now time.Time) (State, error) {
	switch {
	case a == Retry && (s.Phase == Aborted || s.Phase == Failed):
		again := Begin(spec, s.From, s.To, now)
		again.Begun, again.History = s.Begun, s.History
		return again.note(now, by, "begins again"), nil
	case a == Retry:
		return s, fmt.Errorf("it is %s; only what was aborted or has failed begins again", s.Phase)
	case s.Phase.Ended():
		return s, fmt.Errorf("it has ended: it is %s", s.Phase)
	}
	switch a {
	case Pause:
		if s.Phase != Progressing {
			return s, fmt.Errorf("it is %s; only what is progressing can be paused", s.Phase)
		}
		return s.pause(now, by, "a person has paused it"), nil
	case Resume:
		if s.Phase != Paused {
			return s, fmt.Errorf("it is %s, not paused", s.Phase)
		}
		return resume(spec, s, by, now), nil
	case Promote:
		switch s.Phase {
		case Preparing:
			return s, errors.New("the new revision is not ready on all hosts yet")
		case Progressing, Paused:
			return skip(spec, s, by, now), nil
		}
	case PromoteFull:
		if s.Phase == Preparing {
			return s, errors.New("the new revision is not ready on all hosts yet")
		}
		return s.enter(Promoted, now, by, "", "promoted by a person: the new revision has all calls"), nil
	case Abort:
		return s.enter(Aborted, now, by, "a person has aborted it",
			"back to the old revision: aborted by a person"), nil
	}
	return s, fmt.Errorf("there is no action %q", a)
}

// resume goes on: past a step that waits for a person and past the end of all steps, else in the step, whose
// inconclusive metrics are measured anew.
func resume(spec *manifest.Rollout, s State, by string, now time.Time) State {
	waits := s.Step >= len(spec.Steps) || spec.Steps[s.Step].Pause == manifest.Forever
	if waits {
		return skip(spec, s, by, now)
	}
	s.Phase, s.Reason, s.Since = Progressing, "", s.Since.Add(now.Sub(s.Held))
	s.Held = time.Time{}
	s.Background, s.Inline = anew(s.Background, now), anew(s.Inline, now)
	return s.note(now, by, "resumed by a person")
}

// skip ends the step, as a person wants it.
func skip(spec *manifest.Rollout, s State, by string, now time.Time) State {
	if s.Step >= len(spec.Steps) {
		return s.enter(Promoted, now, by, "", "promoted by a person: the new revision has all calls")
	}
	s.Phase, s.Reason, s.Held = Progressing, "", time.Time{}
	s.Background = anew(s.Background, now)
	s = s.note(now, by, fmt.Sprintf("step %d was ended by a person", s.Step+1))
	s.Step++
	return begin(spec, s, now)
}
