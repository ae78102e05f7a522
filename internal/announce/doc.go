// Package announce makes the events of a host and publishes them. Package lattice/event holds what they say, for those
// who observe a lattice.
//
// A change to a host returns its events: pure functions make them from what was and what is (Scaled and its siblings).
// Nobody puts one together by hand where it is published.
package announce
