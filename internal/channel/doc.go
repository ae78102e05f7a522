// Package channel carries calls between two processes of one machine that trust each other after a handshake: a host
// and the providers that it started. It is the short way beside package rpc: no broker, no signature, no network.
//
// A Conn is symmetric: each end calls and serves. Frames of many calls share it; each call has a stream, a deadline
// that travels as remaining time, the trace of its caller, and may be canceled. What both ends repeat (origin, target,
// operation) is sent once as a route. Payloads above a segment travel in several frames, so that a large one does not
// stand in the way of small ones.
//
// Few hand-overs. A goroutine that sends a frame while no other one writes becomes the writer. It lets others that are
// ready to run add their frames, and writes all in one piece. The goroutine that reads may serve the calls itself, one
// after another (Config.Inline). Its role goes to another goroutine only when a call waits for something (Yield) or
// takes long.
//
// Bounds. The window that both ends agree on bounds calls in progress; beyond it a call gets lattice.ErrBusy at once.
// Senders wait while too many bytes are not yet written. Config.MaxBytes bounds payloads, the format bounds frames. A
// malformed frame ends the connection with an error, never the process.
//
// A provider that runs inside its host's process has a Pair instead: two Ends between which calls are function calls,
// with the same checks and errors.
//
// Trust. Listener and Dial prove to each other that they know a secret, which itself never travels. What the peer may
// claim to be is for Config.Admit to decide, once per route.
package channel
