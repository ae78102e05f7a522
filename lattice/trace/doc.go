// Package trace carries the W3C trace context of a request: which trace it belongs to and which span called.
//
// Every hop of an invocation passes on its own Child. The two texts, traceparent and tracestate, travel as keys of
// those names.
//
// A program that is asked continues the trace of its caller, or begins one, and gives it to what it calls:
//
//	tc, ok := trace.Parse(header.Get("traceparent"), header.Get("tracestate"))
//	if !ok {
//		tc = trace.New()
//	}
//	ctx = trace.With(ctx, tc.Child())
//
// A Context is a plain value. All functions are safe for concurrent use.
package trace
