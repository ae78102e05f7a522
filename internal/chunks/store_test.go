package chunks_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// A payload is taken once, whole, by whoever knows its name and its length; then nothing of it is left.
func TestTakenOnce(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	sender, receiver := chunks.New(nc, env.Lattice), chunks.New(env.Conn(t), env.Lattice)
	begin := func() (io.Reader, bool) { return bytes.NewReader(payload), true }
	name := chunks.Response("an-id")
	if err := sender.Put(t.Context(), name, begin); err != nil {
		t.Fatal(err)
	}
	o, err := receiver.Take(t.Context(), name, uint64(len(payload)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.All(t.Context())
	if err != nil || !bytes.Equal(got, payload) || o.Len() != int64(len(payload)) {
		t.Errorf("%d bytes of %d, %v", len(got), o.Len(), err)
	}
	if err := errors.Join(o.Close(), o.Close()); err != nil {
		t.Error(err)
	}
	if _, err := receiver.Take(t.Context(), name, uint64(len(payload))); !errors.Is(err, lattice.ErrUnavailable) {
		t.Errorf("taken twice: %v", err)
	}

	// One whose length is not as its sender said is refused, and deleted.
	if err := sender.Put(t.Context(), name, begin); err != nil {
		t.Fatal(err)
	}
	if _, err := receiver.Take(t.Context(), name, 5); !errors.Is(err, lattice.ErrInvalid) {
		t.Errorf("another length: %v", err)
	}
	// One that breaks on its way is the sender's error as it is.
	broken := errors.New("the socket broke")
	err = sender.Put(t.Context(), name, func() (io.Reader, bool) {
		return io.MultiReader(bytes.NewReader(payload), failing{broken}), true
	})
	if !errors.Is(err, broken) {
		t.Errorf("broken: %v", err)
	}

	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), subject.ChunkStream(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	if n := stored(t, stream); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
