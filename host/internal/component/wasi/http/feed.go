package http

import (
	"context"
	"sync"

	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/internal/stream"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// heldBytes of a request's body are held back while the guest writes it. A body that is finished within them goes with
// its request; any other one follows it as a stream, from when it has more, or the guest waits.
const heldBytes = 16 << 10

// feed is the body of a request that is on its way: the guest writes it to the stream that is beside the call, once
// that is there.
type feed struct {
	rest func() (resume func())

	opening sync.Once
	there   chan struct{}  // closed when the stream is there, or never will be
	to      *stream.Stream // written before there is closed; nil: nobody takes the body

	once     sync.Once
	done     chan struct{} // closed when the guest has ended the body
	failed   *httpclient.Failure
	trailers []stream.Field // both are written before done is closed
}

func newFeed(call *face.Sent, rest func() func()) *feed {
	f := &feed{rest: rest, there: make(chan struct{}), done: make(chan struct{})}
	call.OnEnd(func() { f.open(nil) })
	return f
}

// open says where the body goes; the first time counts.
func (f *feed) open(to *stream.Stream) {
	f.opening.Do(func() {
		f.to = to
		close(f.there)
	})
}

// fill is for stream.Caller.
func (f *feed) fill(ctx context.Context, s *stream.Stream) (whole bool, err error) {
	f.open(s)
	select {
	case <-f.done:
		if f.failed != nil {
			return false, f.failed
		}
		return true, nil
	case <-s.Over():
	case <-ctx.Done():
	}
	return false, nil
}

// end says that the guest has ended the body; failed is why it is not whole.
func (f *feed) end(failed *httpclient.Failure, trailers Header) {
	f.once.Do(func() {
		f.failed = failed
		for _, t := range trailers {
			f.trailers = append(f.trailers, stream.Field(t))
		}
		close(f.done)
	})
}

// opened is the stream, and nil where nobody takes the body; wait is closed when that is known.
func (f *feed) opened() (s *stream.Stream, wait <-chan struct{}) {
	select {
	case <-f.there:
		return f.to, nil
	default:
		return nil, f.there
	}
}

// write hands bytes on, and waits while there is no room.
func (f *feed) write(ctx context.Context, p []byte) error {
	s, wait := f.opened()
	if wait != nil {
		resume := f.rest()
		select {
		case <-wait:
		case <-ctx.Done():
		}
		resume()
		if s, _ = f.opened(); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if s == nil {
		return wasiio.ErrClosed
	}
	if room, err := s.Room(); err == nil && room < len(p) {
		defer f.rest()()
	}
	if err := s.Write(ctx, p); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return wasiio.ErrClosed // why, its answer says
	}
	return nil
}

// room is how many bytes write takes without waiting.
func (f *feed) room() int {
	s, wait := f.opened()
	if wait != nil {
		return 0
	}
	if s == nil {
		return heldBytes // write says so
	}
	n, err := s.Room()
	if err != nil {
		return heldBytes
	}
	return n
}

// writable is closed when room is to be asked for anew; nil: it is not 0.
func (f *feed) writable() <-chan struct{} {
	s, wait := f.opened()
	if wait != nil {
		return wait
	}
	if s == nil {
		return nil
	}
	return s.Writable()
}
