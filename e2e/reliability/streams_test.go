//go:build linux

package main

import "testing"

// Streams of events over three hosts with tokens, while the actor is updated and while its host, the httpserver's
// process and its host are killed: what must break is broken, never ended cleanly, all else goes on to its end, no
// other request fails, and the hosts that live hold nothing of it.
func TestStreamsOfEvents(t *testing.T) {
	l := newLab(t, (*lab).deployStreams)
	for _, f := range streamFaults {
		r, err := l.streamed(t.Context(), f, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(r)
		for _, w := range r.wrong {
			t.Error(w)
		}
	}
}
