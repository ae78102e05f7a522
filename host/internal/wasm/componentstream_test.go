package wasm_test

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/weftlattice/weft/host/internal/wasm"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// A component whose answer goes on its way may wait for the process that takes it: others compute meanwhile.
func TestAStreamIsWrittenWithoutATurn(t *testing.T) {
	i, _ := startFile(t, fixture(t, "stream.wasm"), wasm.Limits{})
	const bytes = 4 << 20
	var s *stream.Stream
	computing, pieces, sent := 0, 0, 0
	s = stream.New(stream.Serving, false, func(_ context.Context, k stream.Kind, p []byte) error {
		if k != stream.Data {
			return nil
		}
		if pieces++; i.Computes() {
			computing++
		}
		sent += len(p)
		return s.Receive(stream.Credit, binary.LittleEndian.AppendUint32(nil, uint32(len(p))))
	}, nil)
	o := stream.NewOffer(s, false, func([]byte) error {
		if i.Computes() {
			t.Error("the head is sent while the guest has a turn")
		}
		return nil
	}, nil)
	q := httpserver.Request{Method: "GET", Path: "/big", Query: "n=4194304"}
	_, err := i.Call(stream.With(t.Context(), o), httpserver.HandleRequest, q.Encode())
	if err != nil || sent < bytes*9/10 || !o.Close(err) {
		t.Fatalf("%d bytes in %d pieces, %v", sent, pieces, err)
	}
	if computing > 0 {
		t.Errorf("%d of %d pieces are sent while the guest has a turn", computing, pieces)
	}
}

// Why an answer cannot begin is what its caller hears, rather than that the guest has trapped for it.
func TestAnAnswerThatCannotBeginSaysWhy(t *testing.T) {
	i, _ := startFile(t, fixture(t, "stream.wasm"), wasm.Limits{})
	s := stream.New(stream.Serving, false, func(context.Context, stream.Kind, []byte) error { return nil }, nil)
	away := &lattice.Error{Code: lattice.ErrUnavailable, Detail: "NATS is away"}
	o := stream.NewOffer(s, false, func([]byte) error { return away }, nil)
	q := httpserver.Request{Method: "GET", Path: "/big", Query: "n=4194304"}
	_, err := i.Call(stream.With(t.Context(), o), httpserver.HandleRequest, q.Encode())
	if lattice.CodeOf(err) != lattice.ErrUnavailable || o.Close(err) {
		t.Errorf("%v, want %v", err, away)
	}
}
