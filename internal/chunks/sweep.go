package chunks

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

// SweepAge is how old a large payload must be before Sweep takes it for left behind. No call waits so long.
const SweepAge = life

// Sweep deletes large payloads that were stored before a time and that will not be taken: their sender or receiver was
// killed, or cut off. The store's own limit of age does the same where weft has made the store; other software makes it
// without one. It deletes objects that are named like invocations, and pieces without a description: a broken put or a
// broken fetch leaves these behind. All else in the bucket stays. It returns how many it deleted. A lattice without a
// store is not an error. Any number of hosts may sweep at the same time.
func Sweep(ctx context.Context, nc *nats.Conn, l lattice.Name, before time.Time) (int, error) {
	js, err := natsconn.JetStream(nc)
	if err != nil {
		return 0, failed("sweep large payloads", err)
	}
	stream, err := js.Stream(ctx, subject.ChunkStream(l))
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, nil
	case err != nil:
		return 0, failed("sweep large payloads", err)
	}
	n, err := New(nc, l).sweep(ctx, stream, before)
	if err != nil {
		err = failed("sweep large payloads", err)
	}
	return n, err
}

func (s *Store) sweep(ctx context.Context, stream jetstream.Stream, before time.Time) (n int, err error) {
	// Pieces are listed before descriptions: a put that ends in between is then known by its description.
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subject.ChunkAll(s.lattice)))
	if err != nil {
		return 0, err
	}
	described := map[string]bool{} // by nuid
	var pieces []string
	for subj := range info.State.Subjects {
		nuid, name, ok := subject.ParseChunk(s.lattice, subj)
		if !ok {
			continue
		}
		if nuid != "" {
			pieces = append(pieces, nuid)
			continue
		}
		m, err := stream.GetLastMsgForSubject(ctx, subj)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // taken in between
		}
		if err != nil {
			return n, err
		}
		if isInvocation(name) && m.Time.Before(before) {
			if err := s.delete(ctx, stream, name); err != nil {
				return n, err
			}
			n++
			continue
		}
		o, err := s.info(ctx, stream, name)
		if err != nil {
			if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrBadObjectMeta) {
				continue
			}
			return n, err
		}
		described[o.NUID] = true
	}
	for _, nuid := range pieces {
		if described[nuid] {
			continue
		}
		subj := subject.ChunkData(s.lattice, nuid)
		m, err := stream.GetLastMsgForSubject(ctx, subj)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && !m.Time.Before(before) {
			continue // gone, or on its way
		}
		if err == nil {
			err = stream.Purge(ctx, jetstream.WithPurgeSubject(subj))
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// isInvocation reports whether a name has the form of an invocation's id: a UUID, with or without hyphens, and, after a
// plus, what the caller offers. That of a response has an end.
func isInvocation(name string) bool {
	name, _, _ = strings.Cut(strings.TrimSuffix(name, Response("")), "+")
	return (len(name) == 32 || len(name) == 36) && uuid.Validate(name) == nil
}
