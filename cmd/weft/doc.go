// Command weft runs and operates a lattice: hosts that run WebAssembly actors, capability providers, and the links
// between them, over NATS.
//
// This package holds flags, help and exit codes only. What an operator does with a lattice is in internal/deploy/operate, the
// host in host, the providers in provider.
package main
