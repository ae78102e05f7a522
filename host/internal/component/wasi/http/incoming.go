package http

import (
	"context"
	"io"

	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/internal/stream"
)

// Incoming is a body that a guest reads.
type Incoming struct {
	// Body returns some bytes, at most max of them, and io.EOF at the clean end. It does not wait when wait is not set.
	// The bytes are good until the next call.
	Body func(ctx context.Context, max int, wait bool) ([]byte, error)
	// Readable is what is closed when Body has something, or its end; nil where it has now. Nil: it always has.
	Readable func() <-chan struct{}
	// Trailers are those of the body, once its end has been read. Nil: there never are any.
	Trailers func() Header
	// Discard says that nothing more of it is read; nil: nobody wants to know.
	Discard func()
}

// incomingBody is a body that a guest reads.
type incomingBody struct {
	*Incoming
	stream bool
}

// Drop is for a guest that does not want the rest. A stream of the body has no more then.
func (b *incomingBody) Drop() {
	if b.Discard != nil {
		b.Discard()
	}
}

// next asks anew for Body, which Discard may take away.
func (b *incomingBody) next(ctx context.Context, max int, wait bool) ([]byte, error) {
	return b.Body(ctx, max, wait)
}

func (b *incomingBody) readable() *wasiio.Pollable { return &wasiio.Pollable{Await: b.Readable} }

// futureTrailers are there once the body has been read. What the guest has left of it is passed over.
type futureTrailers struct {
	*Incoming
	failed error // of the body
	taken  bool
}

// await is the wait for them. Of a body that never ends it passes over a part, and is to be asked anew.
func (t *futureTrailers) await() <-chan struct{} {
	if t.Readable == nil {
		return nil
	}
	for range passes {
		b, err := t.Body(context.Background(), maxPassed, false)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			t.failed = err
			return nil
		case len(b) == 0:
			if wait := t.Readable(); wait != nil {
				return wait
			}
		}
	}
	return again
}

// again is closed: what waits for it asks anew.
var again = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Drop is for a guest that does not want them.
func (t *futureTrailers) Drop() {
	if t.Readable != nil && t.Discard != nil {
		t.Discard()
	}
}

const (
	maxPassed = 64 << 10 // bytes of a body that are passed over at a time
	passes    = 16       // how often that is done in one call of the guest
)

// FromStream is a body that comes in a stream. rest is called before the guest waits for it, and what that returns when
// the wait is over. over, which may be nil, is told when there is nothing more to be read: nil at the clean end, why
// the body broke, or stream.ErrEnough when the guest wants no more.
func FromStream(s *stream.Stream, rest func() (resume func()), over func(error)) Incoming {
	return Incoming{
		Body: func(ctx context.Context, max int, wait bool) ([]byte, error) {
			b, err := s.Try(max)
			if b == nil && err == nil && wait {
				b, err = waited(ctx, s, max, rest)
			}
			switch {
			case err == nil || ctx.Err() != nil:
				return b, err
			case over != nil && err == io.EOF:
				over(nil)
			case over != nil:
				over(err)
			}
			if err == io.EOF {
				return b, err
			}
			return b, failureOf(err)
		},
		Readable: s.Readable,
		Trailers: func() (h Header) {
			for _, f := range s.Trailers() {
				h = append(h, Field(f))
			}
			return h
		},
		Discard: func() {
			if over == nil {
				s.Stop()
			} else {
				over(stream.ErrEnough)
			}
		},
	}
}

// waited waits for bytes.
func waited(ctx context.Context, s *stream.Stream, max int, rest func() func()) ([]byte, error) {
	defer rest()()
	return s.Next(ctx, max)
}

// ended is a Body that is taken away.
func ended(context.Context, int, bool) ([]byte, error) { return nil, errEnded }

// empty is a Body of nothing.
func empty(context.Context, int, bool) ([]byte, error) { return nil, io.EOF }

// Whole is a Body of what is there already.
func Whole(b []byte) func(context.Context, int, bool) ([]byte, error) {
	if len(b) == 0 {
		return empty
	}
	return func(_ context.Context, max int, _ bool) ([]byte, error) {
		if len(b) == 0 {
			return nil, io.EOF
		}
		n := min(max, len(b))
		part := b[:n]
		b = b[n:]
		return part, nil
	}
}

var incomingBodies = map[string]face.Func{
	"[method]incoming-body.stream": face.Method(face.Little, func(c *face.Call, b *incomingBody, _ []any) (any, error) {
		if b.stream {
			return face.Bad(nil), nil
		}
		b.stream = true
		return c.Good(face.Rep(&wasiio.Input{Next: b.next, Ready: b.readable})), nil
	}),
	"[static]incoming-body.finish": {Call: func(_ *face.Call, args []any) (any, error) {
		b := face.Object[*incomingBody](args[0])
		if b.Readable == nil { // it is here, and nothing follows it
			b.Drop()
		}
		return face.Rep(&futureTrailers{Incoming: b.Incoming}), nil
	}},
	"[method]future-trailers.subscribe": face.Method(face.Little, func(_ *face.Call, t *futureTrailers, _ []any) (any,
		error) {
		return face.Rep(&wasiio.Pollable{Await: t.await}), nil
	}),
	"[method]future-trailers.get": face.Method(face.Little, func(c *face.Call, t *futureTrailers, _ []any) (any,
		error) {
		switch {
		case t.taken:
			return face.Some(face.Bad(nil)), nil
		case t.await() != nil:
			return face.None, nil
		}
		t.taken = true
		if t.failed != nil {
			return face.Some(face.Good(face.Bad(errorCode(failureOf(t.failed))))), nil
		}
		trailers := face.None
		if t.Trailers != nil {
			if h := t.Trailers(); len(h) > 0 {
				f, err := hold(c, h)
				if err != nil {
					return nil, err
				}
				f.immutable = true
				trailers = face.Some(face.Rep(f))
			}
		}
		return face.Some(face.Good(face.Good(trailers))), nil
	}),
}
