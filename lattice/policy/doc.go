// Package policy decides whether an actor or a provider may be started, and whether one may call another. A host asks
// before it does either.
//
// There are two sources of decisions, and both must permit when both are there. One is a file of rules (Parse,
// Rules.Decide), which is a pure function of the question. The other is the dialect's policy service: any program that
// receives a Request in JSON on a NATS subject, and answers with a Response. The host remembers what the service
// decided until the service publishes another Response to the same request.
//
//	rules, err := policy.Parse(text) // docs/policy.md says how rules are written
//	verdict := rules.Decide(&policy.Question{Action: policy.StartActor,
//		Target: policy.Party{Kind: policy.Actor, Issuer: account}})
//	if !verdict.Permitted { ... verdict.By() ... }
//
// Rules do not change once made. They are safe for concurrent use.
package policy
