// Package control is the control interface of a lattice: its JSON types, the client that sends requests and the server
// half that a host answers them with.
//
// A reply means accepted; that something has happened is told by an event (package event). Decoding is tolerant where
// the clients and hosts of the last years differ (several spellings of one field, null, numbers as floats) and strict
// where a misunderstanding would do harm: identities, link names and counts are checked, and a refusal names the field.
package control
