// Package operate is what an operator does with a lattice: find things by name, prepare files for it, choose hosts,
// send commands, and wait for what happens. The command line is one user of it.
//
// Decisions (who is meant by a name, how many instances go where) are pure functions; the rest of the package is the
// input and output around them. A command returns once its outcome is known: a host's reply means accepted, and an
// event means it happened.
package operate
