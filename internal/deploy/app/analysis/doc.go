// Package analysis measures what a rollout watches, and says whether it is good: by bounds, or by conditions in the
// language of expr-lang with the names that Argo Rollouts gives it (result, asInt, asFloat, isNaN, isInf, isNil,
// default).
//
// What hosts measure themselves comes in by Hosts; queries of Prometheus and answers of HTTP are fetched here, within
// the time that the metric has, and of bounded size. An Analyst is safe for concurrent use and owns no goroutine.
package analysis
