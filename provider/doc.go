// Package provider is what a capability provider is written with. A provider is a process that a host starts. Under a
// contract it gives the actors linked to it a capability (a database, a queue), or calls them (an HTTP server).
//
// A provider implements Provider, describes itself in Info, and hands both to Main. The package does the rest: it reads
// the host data from standard input, connects, keeps the link table, checks every invocation (signature, issuer, hash,
// target, link) before the provider sees it, answers health, link state and metrics requests, and ends in order when
// the host asks, dies, or the process gets SIGTERM.
//
// # Links
//
// The links of a process are keyed by actor: an actor has one. PutLink, DelLink and ReviseLink are called one at a
// time, in the order of the events; duplicates never reach the provider. A put that changes values becomes ReviseLink
// when the provider has it, else DelLink and PutLink; calls of that actor go on over the old link, or wait, instead of
// failing. A put that fails leaves the link failed, with the error's text in its state, or as it was where it worked:
// its state then tells what was refused (wire.LinkRefusal). Both are tried again with back-off, unless the error is
// lattice.ErrInvalid, lattice.ErrTooLarge or lattice.ErrInternal, whose reasons do not pass by themselves; and whenever
// another link goes when it is lattice.ErrConflict. Hosts ask a LinkChecker before they store a link.
//
// # Lifecycle
//
// Initial links, then intake, then the line "weft:ready" on standard output. At the end: intake stops, the calls in
// progress are finished, Shutdown runs, the connection is flushed, exit status 0. Standard output carries nothing else;
// logs go to standard error.
//
// # Use
//
//	func main() { os.Exit(provider.Main(info, newGreeter)) }
//
//	var info = provider.Info{Name: "greeter", Contract: "acme:greeter", Version: "0.1.0",
//		Operations: []string{"Greeter.Greet"}}
//
//	func newGreeter(env provider.Env) (provider.Provider, error) { return greeter{}, nil }
//
// The folder example is a whole one. Package providertest checks that a provider keeps the contract.
package provider
