package rpc

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/stream"
)

// loose is an end of a stream whose frames go nowhere.
func loose(s *Streams, side stream.Side) *flow {
	f := &flow{all: s, key: flowKey{"id", side}, mac: hmac.New(sha256.New, nil), check: hmac.New(sha256.New, nil)}
	f.said.Store(flowNow())
	f.beside = stream.New(side, true, func(context.Context, stream.Kind, []byte) error { return nil }, nil)
	return f
}

// sealed is the next frame of an end.
func (f *flow) sealed(k stream.Kind, payload []byte) []byte {
	b := bytes.Clone(f.frame(k, payload))
	f.number++
	return b
}

// A process that was held up, for however long, has had one tick meanwhile: it gives up nothing that goes on.
func TestSilenceIsCountedInTicks(t *testing.T) {
	s := NewStreams("l", "N", nil, nil)
	mine, other := loose(s, stream.Calling), loose(nil, stream.Serving)
	s.flows[mine.key] = mine
	tick := func(n int) error {
		for range n {
			s.look()
		}
		return mine.beside.Err()
	}
	for range 3 {
		if err := tick(silentTicks); err != nil {
			t.Fatalf("with a frame every %d ticks: %v", silentTicks, err)
		}
		s.receive(other.sealed(stream.Alive, nil))
	}
	missing := other.sealed(stream.Data, []byte("a"))
	s.receive(other.sealed(stream.Data, []byte("b"))) // overtakes it
	if err := tick(gapTicks); err != nil {
		t.Fatalf("%d ticks after a frame was overtaken: %v", gapTicks, err)
	}
	s.receive(missing)
	if b, err := mine.beside.Next(t.Context(), 10); string(b) != "ab" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	other.sealed(stream.Data, []byte("lost"))
	s.receive(other.sealed(stream.Data, []byte("c")))
	if err := tick(gapTicks + 1); err == nil || !strings.Contains(err.Error(), "lost on the way") {
		t.Errorf("after a lost frame: %v", err)
	}

	mine = loose(s, stream.Calling)
	s.flows[mine.key] = mine
	ended := errors.New("not ended")
	end := func() { ended = nil }
	mine.cancel.Store(&end)
	if err := tick(silentTicks + 1); err == nil || !strings.Contains(err.Error(), "silent") || ended != nil {
		t.Errorf("after %d ticks without a frame: %v; its call has %v", silentTicks+1, err, ended)
	}
}
