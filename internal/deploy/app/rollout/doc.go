// Package rollout is the state machine of progressive delivery: step by step, a new revision of an actor gets a larger
// share of the calls, is watched, and goes on or goes back by itself. It is pure: no clock, no network, no goroutine.
//
// A State is kept in the lattice and says all that there is to know. Whoever leads takes it up where it is: times in it
// are absolute, so that a pause is counted once. Next moves it on; Due says what to measure; Act is what a person does.
//
//	state := rollout.Begin(spec, from, to, now)
//	for {
//		for _, due := range rollout.Due(spec, state, now) { ... state = rollout.Measured(spec, state, due, m, now) }
//		state, again = rollout.Next(spec, state, ready, now)
//	}
//
// Hosts follow Weights alone. Going back is one write of a state whose weights are 0.
//
// # Measurements
//
// A measurement is good, failed, inconclusive, or an error: it could not be made. Too few requests is no data, which is
// never good by itself: Metric.OnNoData says what it is. A metric has failed when more of its measurements have failed
// than are borne; a rollout with a failed metric is aborted, one with an inconclusive metric waits for a person. These
// are the rules of Argo Rollouts (analysis.go, assessMetricStatus).
package rollout
