package rollout

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/deploy/app/manifest"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func percent(n int) *int { return &n }

// canary is the rollout of the documentation: 10, 20, 50 and 100 percent with pauses between.
func canary(metrics ...manifest.Metric) *manifest.Rollout {
	return &manifest.Rollout{Strategy: manifest.Canary, Promote: manifest.Auto, Analysis: metrics,
		KeepOld: time.Minute, KeepNew: time.Minute, Deadline: 10 * time.Minute,
		Steps: []manifest.Step{{Weight: percent(10)}, {Pause: 30 * time.Second}, {Weight: percent(20)},
			{Pause: 30 * time.Second}, {Weight: percent(50)}, {Pause: time.Minute}, {Weight: percent(100)}}}
}

func successRate() manifest.Metric {
	return manifest.Metric{Metric: manifest.SuccessRate, Min: &manifest.Bound{Value: 0.95}, Interval: 10 * time.Second,
		FailureLimit: 3, ErrorLimit: 4, OnNoData: manifest.Wait, MaxWait: 10 * time.Minute}
}

// player runs a rollout in virtual time, second by second.
type player struct {
	t       *testing.T
	spec    *manifest.Rollout
	s       State
	now     time.Time
	ready   Ready
	measure func(m *manifest.Metric) Measurement
	seen    []string // weights and phases, each when it changed
}

func play(t *testing.T, spec *manifest.Rollout) *player {
	return &player{t: t, spec: spec, s: Begin(spec, "v1", "v2", start), now: start, ready: Ready{All: true}}
}

// tick is one look of a leader. Each look is of another leader: all that one knows is the JSON of the state.
func (p *player) tick() {
	b, err := json.Marshal(p.s)
	if err != nil {
		p.t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		p.t.Fatal(err)
	}
	due, _ := Due(p.spec, s, p.now)
	for _, d := range due {
		m := Measurement{Outcome: Good, Value: "1"}
		if p.measure != nil {
			m = p.measure(d.Metric)
		}
		m.At = p.now
		s = Measured(p.spec, s, d, m)
	}
	before := fmt.Sprintf("%+v", s)
	next, _ := Next(p.spec, s, p.ready, p.now)
	if after := fmt.Sprintf("%+v", s); after != before {
		p.t.Fatalf("Next has changed the state that it was given:\n%s\n%s", before, after)
	}
	p.s = next
	p.look()
}

func (p *player) look() {
	text := fmt.Sprintf("%s %d%%", p.s.Phase, WeightOn(p.s.Weights(p.spec), nil))
	if len(p.seen) == 0 || !strings.HasSuffix(p.seen[len(p.seen)-1], " "+text) {
		p.seen = append(p.seen, fmt.Sprintf("%.0fs %s", p.now.Sub(start).Seconds(), text))
	}
}

func (p *player) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end); p.now = p.now.Add(time.Second) {
		p.tick()
	}
}

func (p *player) act(a Action) {
	p.t.Helper()
	s, err := Act(p.spec, p.s, a, "Uperson", p.now)
	if err != nil {
		p.t.Fatalf("%s: %v", a, err)
	}
	p.s = s
	p.tick()
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// A good revision goes through its steps, whoever leads meanwhile.
func TestGoodCanary(t *testing.T) {
	p := play(t, canary(successRate()))
	p.ready = Ready{}
	p.run(5 * time.Second)
	p.ready.All = true
	p.run(5 * time.Minute)
	want(t, "weights", p.seen, []string{"0s preparing 0%", "5s progressing 10%", "35s progressing 20%",
		"65s progressing 50%", "125s promoted 100%"})
	from, to := p.s.Warm(p.spec, p.s.Since.Add(time.Minute-1))
	want(t, "warm", []bool{from, to}, []bool{true, true})
	from, to = p.s.Warm(p.spec, p.s.Since.Add(time.Minute))
	want(t, "warm later", []bool{from, to}, []bool{false, true})
}

// A revision that fails more often than is borne goes back at once, and says why.
func TestBadCanary(t *testing.T) {
	p := play(t, canary(successRate()))
	p.measure = func(*manifest.Metric) Measurement {
		return Measurement{Outcome: Bad, Value: "0.91", Samples: 212, Detail: "less than 0.95, in 5m0s"}
	}
	p.run(3 * time.Minute)
	want(t, "weights", p.seen, []string{"0s progressing 10%", "30s progressing 20%", "31s failed 0%"})
	want(t, "reason", p.s.Reason,
		"success-rate: 0.91, less than 0.95, in 5m0s, of 212 requests; 4 of 4 measurements failed, 3 are borne")
	p.act(Retry)
	p.measure = nil
	p.run(5 * time.Minute)
	want(t, "after a retry", p.seen[len(p.seen)-1], "300s promoted 100%")
}

// Too few requests are never success: what becomes of it is said in the manifest.
func TestNoData(t *testing.T) {
	for on, seen := range map[manifest.OnNoData][]string{
		manifest.Pass:  {"0s progressing 10%", "30s progressing 20%", "60s progressing 50%", "120s promoted 100%"},
		manifest.Fail:  {"0s progressing 10%", "30s progressing 20%", "31s failed 0%"},
		manifest.Pause: {"0s progressing 10%", "1s paused 10%"},
		manifest.Wait:  {"0s progressing 10%", "41s paused 10%"},
	} {
		m := successRate()
		m.OnNoData, m.MaxWait = on, 40*time.Second
		p := play(t, canary(m))
		p.measure = func(*manifest.Metric) Measurement { return Measurement{Outcome: NoData, Samples: 3} }
		p.run(4 * time.Minute)
		want(t, string(on), p.seen, seen)
	}
}

// A measurement that cannot be made is made again soon; too many in a row are as bad as a failure.
func TestErrors(t *testing.T) {
	m := successRate()
	m.Interval = time.Minute
	p := play(t, canary(m))
	p.measure = func(*manifest.Metric) Measurement { return Measurement{Outcome: Error, Detail: "no such host"} }
	p.run(3 * time.Minute)
	want(t, "weights", p.seen, []string{"0s progressing 10%", "30s progressing 20%", "41s failed 0%"})
	want(t, "reason", p.s.Reason, "success-rate: 5 measurements in a row could not be made: error, no such host")
}

// A pause waits for as long as it says, without the time in which a person has paused the rollout.
func TestPauseByAPerson(t *testing.T) {
	p := play(t, canary())
	p.run(10 * time.Second)
	p.act(Pause)
	p.run(10 * time.Minute)
	want(t, "paused", p.seen, []string{"0s progressing 10%", "10s paused 10%"})
	p.act(Resume)
	p.run(time.Minute)
	want(t, "resumed", p.seen[3:], []string{"630s progressing 20%", "660s progressing 50%"})
}

// A person ends a pause, a step, or all of it; and what cannot be done now is refused with the reason.
func TestActions(t *testing.T) {
	spec := canary()
	spec.Steps[1].Pause = manifest.Forever
	p := play(t, spec)
	p.run(time.Hour)
	want(t, "waits", p.s.Reason, "the step waits for a person")
	p.act(Promote)
	p.run(time.Second)
	p.act(Promote) // the pause of 30 s
	p.run(time.Second)
	want(t, "so far", p.seen, []string{"0s paused 10%", "3600s progressing 20%", "3601s progressing 50%"})
	for _, c := range []struct {
		phase Phase
		a     Action
		text  string
	}{
		{Progressing, Resume, "it is progressing, not paused"},
		{Paused, Pause, "it is paused; only what is progressing can be paused"},
		{Preparing, Promote, "the new revision is not ready on all hosts yet"},
		{Preparing, PromoteFull, "the new revision is not ready on all hosts yet"},
		{Promoted, Abort, "it has ended: it is promoted"},
		{Progressing, Retry, "it is progressing; only what was aborted or has failed begins again"},
		{Progressing, "undo", `there is no action "undo"`},
	} {
		s := p.s
		s.Phase = c.phase
		if _, err := Act(spec, s, c.a, "", p.now); err == nil || err.Error() != c.text {
			t.Errorf("%s of %s: %v, want %s", c.a, c.phase, err, c.text)
		}
	}
	p.act(Abort)
	want(t, "aborted", p.seen[len(p.seen)-1], "3602s aborted 0%")
	p.act(Retry)
	p.act(PromoteFull)
	want(t, "promoted", p.s.Phase, Promoted)
	last := p.s.History[len(p.s.History)-1]
	want(t, "by whom", last.By, "Uperson")
}

// An inconclusive metric asks a person; who goes on has it measured anew.
func TestInconclusive(t *testing.T) {
	p := play(t, canary(successRate()))
	outcome := Inconclusive
	measure := func(*manifest.Metric) Measurement { return Measurement{Outcome: outcome, Value: "NaN"} }
	p.measure = measure
	p.run(5 * time.Second)
	want(t, "asks", p.s.Reason, "success-rate: NaN")
	outcome = Good
	p.act(Resume)
	p.run(5 * time.Minute)
	want(t, "goes on", p.s.Phase, Promoted)
	p = play(t, canary(successRate()))
	p.measure = measure
	outcome = Inconclusive
	p.run(5 * time.Second)
	outcome = Bad
	p.act(Resume)
	p.run(time.Minute)
	want(t, "fails after that", p.s.Phase, Failed)
}

// Blue-green gives nothing until all is good, then all at once; a person promotes where that is asked for.
func TestBlueGreen(t *testing.T) {
	spec := canary()
	once := successRate()
	once.FailureLimit = 0
	spec.Strategy, spec.Promote = manifest.BlueGreen, manifest.Manual
	spec.Steps = []manifest.Step{{Analysis: []manifest.Metric{once}}}
	p := play(t, spec)
	p.run(time.Minute)
	want(t, "before", p.seen, []string{"0s progressing 0%", "1s paused 0%"})
	want(t, "why", p.s.Reason, "all steps are done, and a person promotes")
	p.act(Promote)
	want(t, "after", p.seen[2:], []string{"60s promoted 100%"})
	p = play(t, spec)
	p.measure = func(*manifest.Metric) Measurement { return Measurement{Outcome: Bad} }
	p.run(time.Minute)
	want(t, "bad", p.seen, []string{"0s progressing 0%", "1s failed 0%"})
}

// Regions come one after another: a weight with labels is for the hosts that have them.
func TestRegions(t *testing.T) {
	eu, us := map[string]string{"zone": "eu"}, map[string]string{"zone": "us"}
	spec := canary()
	spec.Steps = []manifest.Step{{Weight: percent(5)}, {Weight: percent(100), Where: eu}, {Pause: time.Minute},
		{Weight: percent(50), Where: us}, {Pause: time.Minute}}
	p := play(t, spec)
	p.run(time.Second)
	shares := func() (list []int) {
		for _, labels := range []map[string]string{eu, us, {"zone": "ap"}} {
			list = append(list, WeightOn(p.s.Weights(spec), labels))
		}
		return list
	}
	want(t, "first", shares(), []int{100, 5, 5})
	p.run(time.Minute)
	want(t, "second", shares(), []int{100, 50, 5})
	p.run(time.Minute)
	want(t, "promoted", shares(), []int{100, 100, 100})
}

// A revision that is not ready in time has failed.
func TestDeadline(t *testing.T) {
	p := play(t, canary())
	p.ready = Ready{Problem: "edge-3: it does not start"}
	p.run(11 * time.Minute)
	want(t, "seen", p.seen, []string{"0s preparing 0%", "600s failed 0%"})
	want(t, "reason", p.s.Reason,
		"the new revision was not ready on all hosts within 10m0s: edge-3: it does not start")
}

// A metric that is only tried has no effect.
func TestDryRun(t *testing.T) {
	m := successRate()
	m.DryRun = true
	p := play(t, canary(m))
	p.measure = func(*manifest.Metric) Measurement { return Measurement{Outcome: Bad} }
	p.run(5 * time.Minute)
	want(t, "phase", p.s.Phase, Promoted)
	want(t, "verdict", p.s.Background[0].Verdict, RunFailed)
}

// Whatever is measured and whatever people do: shares only grow until an end, an end by failure gives everything back,
// and the history is bounded.
func TestSharesOnlyGrow(t *testing.T) {
	actions := []Action{Pause, Resume, Promote, Abort, Retry, PromoteFull}
	outcomes := []Outcome{Good, Good, Good, Good, Bad, Inconclusive, NoData, Error}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		p := play(t, canary(successRate()))
		p.measure = func(*manifest.Metric) Measurement {
			return Measurement{Outcome: outcomes[rng.IntN(len(outcomes))]}
		}
		last := 0
		for range 600 {
			p.ready.All = rng.IntN(10) > 0
			p.tick()
			if rng.IntN(60) == 0 {
				if s, err := Act(p.spec, p.s, actions[rng.IntN(len(actions))], "", p.now); err == nil {
					p.s = s
				}
			}
			now := WeightOn(p.s.Weights(p.spec), nil)
			back := p.s.Phase == Failed || p.s.Phase == Aborted || p.s.Phase == Preparing
			if back != (now == 0) || now < last && !back {
				t.Fatalf("seed %d: %d%% after %d%%, %s", seed, now, last, p.s.Phase)
			}
			last = now
			p.now = p.now.Add(time.Second)
		}
		if len(p.s.History) > MaxHistory {
			t.Fatalf("%d entries", len(p.s.History))
		}
	}
}
