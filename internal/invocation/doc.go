// Package invocation is what serving a call has in common, whichever way the call came (packages rpc and channel): the
// Handler and how a panic of it ends, the Context that it is called with, the Crew of goroutines that serve, how deep
// calls are nested, and what an error says about whether a call has begun.
package invocation
