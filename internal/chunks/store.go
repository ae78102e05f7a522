package chunks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/subject"
)

const (
	// life is when the store drops what no receiver took, as after a crash between putting and fetching.
	life = 5 * time.Minute
	// pieceBytes is the size of a piece, as in the dialect.
	pieceBytes = 128 << 10
	// window is how many pieces of one payload are on their way at the same time.
	window = 8
	// WindowBytes is what a payload that is passed on takes of a budget.
	WindowBytes = 2 * window * pieceBytes
	// stall is how long a piece may take.
	stall = 10 * time.Second
	// dropTimeout bounds deleting.
	dropTimeout = 2 * time.Second
)

// lagDelays are the pauses before a description that is not there yet is asked for again: a replica may be a little
// behind.
var lagDelays = []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 150 * time.Millisecond}

// Store is the object store of a lattice for large payloads. It is opened when it is first needed. It is safe for
// concurrent use.
type Store struct {
	nc      *nats.Conn
	lattice lattice.Name

	mu     sync.Mutex
	js     jetstream.JetStream // guarded by mu
	stream jetstream.Stream    // guarded by mu
}

// New returns the store of a lattice on a connection. Nothing is asked of NATS yet.
func New(nc *nats.Conn, l lattice.Name) *Store { return &Store{nc: nc, lattice: l} }

// Response is the name of the response to an invocation of this id. The request has the id itself for its name.
func Response(id string) string { return id + "-r" }

// Open makes the store, if it is missing, for others that may use it but not make it.
func (s *Store) Open(ctx context.Context) error {
	if _, _, err := s.open(ctx); err != nil {
		return failed("open the store of large payloads", err)
	}
	return nil
}

// open returns the store, and makes it where it is missing. mu is held across NATS, so that calls that come at the same
// time open it once; they need it and have to wait in any case.
func (s *Store) open(ctx context.Context) (jetstream.JetStream, jetstream.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil {
		return s.js, s.stream, nil
	}
	js, err := natsconn.JetStream(s.nc, jetstream.WithPublishAsyncMaxPending(1<<20)) // each put has a window of its own
	if err != nil {
		return nil, nil, err
	}
	stream, err := js.Stream(ctx, subject.ChunkStream(s.lattice))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: subject.ChunkBucket(s.lattice),
			TTL:         life,
			Description: "payloads on their way, too large for a message"})
		if err == nil || errors.Is(err, jetstream.ErrBucketExists) { // somebody else was quicker
			stream, err = js.Stream(ctx, subject.ChunkStream(s.lattice))
		}
	}
	if err != nil {
		return nil, nil, err
	}
	s.js, s.stream = js, stream
	return js, stream, nil
}

// forget makes the next use open the store again, since it may have been deleted.
func (s *Store) forget() {
	s.mu.Lock()
	s.stream = nil
	s.mu.Unlock()
}

// Put stores a payload. begin returns it from its start, or false when it cannot begin again. When Put fails, nothing
// is left.
func (s *Store) Put(ctx context.Context, name string, begin func() (io.Reader, bool)) error {
	for attempt := 0; ; attempt++ {
		r, ok := begin()
		if !ok {
			return failed("store a payload", errors.New("the store was lost while the payload was on its way"))
		}
		source := &sourceReader{Reader: r}
		err := s.putOnce(ctx, name, source)
		switch {
		case err == nil:
			return nil
		case source.err != nil:
			return source.err // the store has no part in it
		case attempt > 0 || ctx.Err() != nil:
			return failed("store a payload", err)
		}
		s.forget()
	}
}

// sourceReader remembers that reading failed.
type sourceReader struct {
	io.Reader
	err error
}

// Read notes an error of the source, which is its caller's own and is not tried again.
func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// putOnce stores an object: the pieces first and the description last, so that a reader who finds the description finds
// all. What a failed put has stored is deleted.
func (s *Store) putOnce(ctx context.Context, name string, r *sourceReader) error {
	js, stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	info := jetstream.ObjectInfo{Bucket: subject.ChunkBucket(s.lattice), NUID: nuid.Next(),
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: pieceBytes}}}
	pieces := subject.ChunkData(s.lattice, info.NUID)
	if err = sendPieces(ctx, js, pieces, r, &info); err == nil {
		err = describe(ctx, js, subject.ChunkMeta(s.lattice, name), info)
	}
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
		defer cancel()
		// What it misses, since it is still on its way, the sweep finds.
		_ = stream.Purge(clean, jetstream.WithPurgeSubject(pieces))
	}
	return err
}

// description is that of an object, also for clients of old: async-nats 0.27, which wasmbus-rpc 0.12 is built on, can
// read none without "modified" and "deleted". Later ones read "mtime".
type description struct {
	jetstream.ObjectInfo
	Modified time.Time `json:"modified"`
	Deleted  bool      `json:"deleted"`
}

// describe publishes the description of an object whose pieces are there.
func describe(ctx context.Context, js jetstream.JetStream, subj string, info jetstream.ObjectInfo) error {
	info.ModTime = time.Now().UTC()
	data, err := json.Marshal(description{ObjectInfo: info, Modified: info.ModTime})
	if err != nil {
		return err
	}
	_, err = js.PublishMsg(ctx, &nats.Msg{Subject: subj, Data: data,
		Header: nats.Header{jetstream.MsgRollup: {jetstream.MsgRollupSubject}}})
	return err
}

// Take opens a payload whose length the sender has told. It is the caller's from then on, who must close it.
func (s *Store) Take(ctx context.Context, name string, length uint64) (*Object, error) {
	o, err := s.claim(ctx, name, length)
	if err != nil {
		s.Drop(name)
		var own *lattice.Error
		if !errors.As(err, &own) {
			s.forget()
			err = failed("fetch a payload", err)
		}
		return nil, err
	}
	return o, nil
}

// claim finds an object and takes its description, so that no other reader does. It may be looked for before it can be
// seen: a replica lags behind by milliseconds.
func (s *Store) claim(ctx context.Context, name string, length uint64) (*Object, error) {
	_, stream, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	info, err := s.info(ctx, stream, name)
	for _, pause := range lagDelays {
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		select {
		case <-time.After(pause):
			info, err = s.info(ctx, stream, name)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case info.Deleted:
		return nil, jetstream.ErrObjectNotFound
	case info.Size != length:
		return nil, &lattice.Error{Code: lattice.ErrInvalid, Op: "fetch a payload",
			Detail: fmt.Sprintf("it has %d bytes, the sender said %d", info.Size, length)}
	}
	o, err := newObject(ctx, stream, subject.ChunkData(s.lattice, info.NUID), info)
	if err != nil {
		return nil, err
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject.ChunkMeta(s.lattice, name))); err != nil {
		_ = o.Close()
		return nil, err
	}
	return o, nil
}

// info reads the description of an object.
func (s *Store) info(ctx context.Context, stream jetstream.Stream, name string) (*jetstream.ObjectInfo, error) {
	m, err := stream.GetLastMsgForSubject(ctx, subject.ChunkMeta(s.lattice, name))
	if err != nil {
		return nil, err
	}
	var info jetstream.ObjectInfo
	if err := json.Unmarshal(m.Data, &info); err != nil || info.NUID == "" {
		return nil, jetstream.ErrBadObjectMeta
	}
	return &info, nil
}

// Drop deletes a payload that was not taken, even when the call it belongs to is over. What it cannot delete the sweep
// finds, or the store drops in time.
func (s *Store) Drop(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if _, stream, err := s.open(ctx); err == nil {
		_ = s.delete(ctx, stream, name)
	}
}

// delete leaves nothing, not even the note that an object store keeps of what was deleted.
func (s *Store) delete(ctx context.Context, stream jetstream.Stream, name string) error {
	info, err := s.info(ctx, stream, name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(subject.ChunkData(s.lattice, info.NUID)))
	}
	return errors.Join(err, stream.Purge(ctx, jetstream.WithPurgeSubject(subject.ChunkMeta(s.lattice, name))))
}

func failed(op string, err error) error {
	code := lattice.ErrUnavailable
	if c := lattice.CodeOf(err); c == lattice.ErrTimeout || c == lattice.ErrCanceled {
		code = c
	}
	if natsconn.IsAway(err) {
		return &lattice.Error{Code: code, Op: op, Detail: "NATS is away"}
	}
	detail := "the lattice's object store (JetStream) carries payloads above 900 KiB"
	if why, full := natsconn.NoRoom(err); full {
		detail += ", and " + why
	}
	return &lattice.Error{Code: code, Op: op, Detail: detail, Err: err}
}
