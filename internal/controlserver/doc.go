// Package controlserver is the host's half of the control interface: it receives requests, decodes them with the types
// of lattice/control, hands them to a Handler, and answers.
//
// A reply means accepted; that something has happened is told by an event. Queries run at the same time. Commands run
// at the same time, too, except those about one thing: they run one after another, as they came.
package controlserver
