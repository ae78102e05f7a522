// Command weft runs and operates a lattice: hosts that run WebAssembly actors, capability providers, and the links
// between them, over NATS.
//
// This package holds flags, help, output and exit codes only, a file for each noun. What a machine runs is in
// internal/node, what an operator does with a lattice in internal/deploy/operate, where the lattice is and which key
// signs in internal/deploy/connect and internal/deploy/keys, the host in host, the providers in provider.
package main
