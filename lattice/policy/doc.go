// Package policy decides whether an actor or a provider may be started, and whether one may call another. A host asks
// before it does either.
//
// There are two sources of decisions, and both must permit when both are there: a file of rules (Parse, Rules.Decide),
// which is a pure function of the question, and the dialect's policy service, any program that answers requests on a
// NATS subject (Client). The service's decisions are remembered until it changes them.
//
//	rules, err := policy.Parse(text) // docs/policy.md says how rules are written
//	verdict := rules.Decide(&policy.Question{Action: policy.StartActor,
//		Target: policy.Party{Kind: policy.Actor, Issuer: account}})
//	if !verdict.Permitted { ... verdict.By() ... }
//
// Rules do not change once made. Rules and Client are safe for concurrent use.
package policy
