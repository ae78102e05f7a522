package chunks_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/chunks"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/subject"
)

// payload has more pieces than are on their way at the same time.
var payload = bytes.Repeat([]byte("0123456789abcdef"), 1280<<10/16)

// A caller that is killed, or cut off, leaves what it has put; a receiver, what it was reading. The sweep finds them.
func TestSweep(t *testing.T) {
	env := latticetest.NATS(t)
	nc := env.Conn(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// As other software makes it: without a limit of age.
	store, err := js.CreateObjectStore(t.Context(),
		jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(env.Lattice)})
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string) *jetstream.ObjectInfo {
		info, err := store.PutBytes(t.Context(), name, payload)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	id := uuid.NewString()
	put(id)
	put(id + "-r")
	put(uuid.NewString() + "+stream-r")                // of a call whose caller takes a stream
	put(strings.ReplaceAll(uuid.NewString(), "-", "")) // as providers of the dialect name them
	if err := store.Delete(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	halfTaken := put(uuid.NewString()) // its description is gone, as when its taker was killed
	stream, err := js.Stream(t.Context(), subject.ChunkStream(env.Lattice))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(),
		jetstream.WithPurgeSubject(subject.ChunkMeta(env.Lattice, halfTaken.Name))); err != nil {
		t.Fatal(err)
	}
	put("somebody's file")
	before := stored(t, stream)
	if n, err := chunks.Sweep(t.Context(), nc, env.Lattice, time.Now().Add(-chunks.SweepAge)); n != 0 || err != nil ||
		stored(t, stream) != before {
		t.Errorf("a sweep of what is young: %d, %v", n, err)
	}
	n, err := chunks.Sweep(t.Context(), nc, env.Lattice, time.Now().Add(time.Minute))
	if err != nil || n != 5 {
		t.Errorf("swept %d, %v; want 5", n, err)
	}
	if got, err := store.GetBytes(t.Context(), "somebody's file"); err != nil || !bytes.Equal(got, payload) {
		t.Errorf("the file: %d bytes, %v", len(got), err)
	}
	if err := stream.Purge(t.Context(),
		jetstream.WithPurgeSubject(subject.ChunkMeta(env.Lattice, "somebody's file"))); err != nil {
		t.Fatal(err)
	}
	if n, err := chunks.Sweep(t.Context(), nc, env.Lattice, time.Now().Add(time.Minute)); err != nil || n != 1 {
		t.Errorf("swept %d, %v; want the pieces of the file", n, err)
	}
	if n := stored(t, stream); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	if n, err := chunks.Sweep(t.Context(), nc, "nothing-there", time.Now()); n != 0 || err != nil {
		t.Errorf("a lattice without a store: %d, %v", n, err)
	}
}

// stored is the number of messages in the store: descriptions, pieces, and notes of deletions.
func stored(t *testing.T, stream jetstream.Stream) uint64 {
	t.Helper()
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}
