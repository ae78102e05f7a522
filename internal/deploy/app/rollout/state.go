package rollout

import (
	"slices"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
	"github.com/weftlattice/weft/lattice"
)

// Phase is what a rollout is doing.
type Phase string

// The phases. Promoted, Aborted and Failed are ends, of which a person may leave the last two by Retry.
const (
	Preparing   Phase = "preparing"   // the new revision is made ready on its hosts, and has no calls yet
	Progressing Phase = "progressing" // it is in one of its steps
	Paused      Phase = "paused"      // a person has to say how it goes on; Reason says why
	Promoted    Phase = "promoted"    // the new revision has all calls
	Aborted     Phase = "aborted"     // a person has sent all calls back to the old revision
	Failed      Phase = "failed"      // an analysis or a deadline has; Reason says which
)

// Ended reports whether nothing more happens by itself.
func (p Phase) Ended() bool { return p == Promoted || p == Aborted || p == Failed }

// State is how far a rollout is. It is a value: no function changes the one that it is given. It is kept as JSON.
type State struct {
	From string `json:"from"` // version of the old revision
	To   string `json:"to"`   // and of the new one

	Phase Phase     `json:"phase"`
	Step  int       `json:"step"`  // in the list of steps; their number: all are done
	Since time.Time `json:"since"` // when the phase, or the step, began; time in which it was paused is left out
	// Held is when it was paused, where it is.
	Held time.Time `json:"held,omitzero"`
	// Reason says why the phase is what it is, for people: value, limit, samples, window of what failed.
	Reason string `json:"reason,omitempty"`
	// Background are the metrics that are watched all the time, and Inline those of the step.
	Background []Run `json:"background,omitempty"`
	Inline     []Run `json:"inline,omitempty"`

	Begun   time.Time `json:"begun"`
	History []Entry   `json:"history,omitempty"` // the oldest first, at most MaxHistory
}

// Entry is one thing that has happened to a rollout.
type Entry struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
	By   string    `json:"by,omitempty"` // the key of the person; "": it happened by itself
}

// MaxHistory bounds State.History. The first entry stays.
const MaxHistory = 100

// Weight is the share of calls that the new revision gets on some hosts.
type Weight struct {
	Where   map[string]string `json:"where,omitempty"` // labels of the hosts; nil: all that no other weight names
	Percent int               `json:"percent"`
}

// Begin is a rollout of version to in the place of version from.
func Begin(spec *manifest.Rollout, from, to string, now time.Time) State {
	s := State{From: from, To: to, Phase: Preparing, Since: now, Begun: now}
	return s.note(now, "", "the rollout of "+to+" has begun")
}

// note adds to the history of a copy.
func (s State) note(now time.Time, by, text string) State {
	s.History = append(slices.Clone(s.History), Entry{now, text, by})
	if n := len(s.History) - MaxHistory; n > 0 {
		s.History = slices.Delete(s.History, 1, 1+n)
	}
	return s
}

// enter puts a copy into a phase.
func (s State) enter(p Phase, now time.Time, by, reason, text string) State {
	s.Phase, s.Since, s.Reason = p, now, reason
	return s.note(now, by, text)
}

// pause puts a copy into Paused. Its step goes on from where it was.
func (s State) pause(now time.Time, by, reason string) State {
	s.Phase, s.Held, s.Reason = Paused, now, reason
	return s.note(now, by, "paused: "+reason)
}

// Weights are the shares of calls that the new revision has now; none is 0 everywhere. With Shadow they are the shares
// of calls of which it gets a copy. Labels of a host match at most the last weight that applies to it; see WeightOn.
func (s State) Weights(spec *manifest.Rollout) []Weight {
	switch s.Phase {
	case Promoted:
		return []Weight{{Percent: 100}}
	case Progressing, Paused:
	default:
		return nil
	}
	var list []Weight
	for i := range min(s.Step+1, len(spec.Steps)) {
		w := spec.Steps[i]
		if w.Weight == nil {
			continue
		}
		if w.Where == nil {
			list = list[:0] // it is for all
		}
		list = append(list, Weight{w.Where, *w.Weight})
	}
	return list
}

// WeightOn is the percentage for a host with labels: that of the last weight which names it.
func WeightOn(weights []Weight, labels map[string]string) int {
	for _, w := range slices.Backward(weights) {
		if lattice.Matches(labels, w.Where) {
			return w.Percent
		}
	}
	return 0
}

// Shadows reports whether the weights are those of copies.
func (s State) Shadows(spec *manifest.Rollout) bool {
	return spec.Strategy == manifest.Shadow && s.Phase != Promoted
}

// Warm reports which of the revisions hosts are to keep ready at a time.
func (s State) Warm(spec *manifest.Rollout, now time.Time) (from, to bool) {
	switch s.Phase {
	case Promoted:
		return now.Before(s.Since.Add(spec.KeepOld)), true
	case Aborted, Failed:
		return true, now.Before(s.Since.Add(spec.KeepNew))
	}
	return true, true
}
