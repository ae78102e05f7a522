// Package rpc is the hub of the invocation journey: the client that signs and sends an invocation, and the server that
// verifies and dispatches one. Hosts and providers are both a client and a server around something of their own.
//
// Trust. Every invocation carries claims signed by the cluster key over origin, target, operation and payload; the
// server refuses a call that fails a check with one of the token codes of package lattice, before any work is done. It
// serves each invocation once: one whose id it has seen is refused with lattice.ErrReplayed, and one that is so old
// that ids of its time are forgotten, with lattice.ErrTokenExpired. Each server remembers its own calls only.
//
// Load. NATS calls a subscription's callback serially, so the callback only counts and hands over; verification and the
// handler run on a goroutine of their own. Each endpoint admits a bounded number of calls. Where all instances are in
// use it admits only calls that need not wait for long (load.Admission). Others get lattice.ErrBusy at once.
//
// Dispatch. Hosts tell by their beats what they serve and how busy they are. A Client with a Directory draws two hosts
// that serve a target and calls the better one, with a MAC in place of a signature. Where it knows of no host, the
// queue group decides. A call that was turned away before anything was done for it is made once more elsewhere.
//
// Time. The time that remains to the caller travels in a header, not a wall-clock instant. So clocks need not agree.
// The moment when the call was sent travels with it. So a server does not begin a call that was held up until its
// caller has given up (late.go). To weft hosts that are called by themselves both travel in the invocation, and there
// is no header. So does in how many others a call is nested, which invocation.MaxDepth bounds.
package rpc

import "time"

// Headers that weft adds to the dialect's messages, beside those of wire and trace. Other software ignores them.
const (
	headerDepth   = "Weft-Depth"   // in how many others the call is nested; in none when it is not there
	headerAsk     = "Weft-Ask"     // a question: what a host serves, or, with a call, who answers
	headerUnbegun = "Weft-Unbegun" // in answers: nothing was done for this call, it may be made elsewhere
)

// askServed is the question to a host what it serves.
const askServed = "served"

// askWho is the question who answers a call; unbegunMark is in the answer to a call that was turned away.
var askWho, unbegunMark = []string{"who"}, []string{"1"}

// DefaultTimeout bounds a call whose context has no deadline.
const DefaultTimeout = 2 * time.Second

// defaultServeTimeout bounds the serving of a call whose caller does not say how long it waits, as callers that are not
// weft's own. They may wait longer than DefaultTimeout, and give up by themselves.
const defaultServeTimeout = 30 * time.Second

// defaultLimit is the number of calls that an endpoint admits at the same time unless it says otherwise.
const defaultLimit = 1024
