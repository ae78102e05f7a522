package provider

import (
	"context"
	"io"

	"github.com/weftlattice/weft/internal/stream"
)

// Stream is the bodies that travel beside a call, piece by piece: what the caller sends while the call is served, and
// what comes back after the answer has begun. Each direction ends cleanly, with trailers, or it breaks, so that nobody
// takes what has come for all. At most half a MiB of a direction is on its way or waits for its reader: one that is
// slow holds the writer back. Each direction is for one goroutine at a time.
type Stream interface {
	// Next waits for bytes and returns some, at most max. They are the caller's until it calls Next again. io.EOF is
	// the clean end. Any other error says that not all has come: that of ctx, or why the stream broke.
	Next(ctx context.Context, max int) ([]byte, error)
	// CopyTo writes what comes to w until the clean end. flush, which may be nil, is called whenever nothing more is
	// there at once. The error is that of Next, of w, or of flush.
	CopyTo(ctx context.Context, w io.Writer, flush func() error) error
	// Trailers are those of the body that is read, once its end has been.
	Trailers() []StreamField
	// Stop says that nothing more is read.
	Stop()
	// Write sends bytes, and waits while the other end has no room. An error says that the body cannot be whole.
	Write(ctx context.Context, p []byte) error
	// End is the clean end of what is written, with trailers, which may be nil.
	End(ctx context.Context, trailers []StreamField) error
	// Break ends both directions and tells the other end why.
	Break(err error)
}

// StreamField is a trailer. Names may come several times.
type StreamField struct{ Name, Value string }

// StreamCaller is what goes with a call that is made with a stream. When the call returns, nothing of it is in use.
type StreamCaller struct {
	// Take takes an answer that is a stream, once, on any goroutine, before the call returns: its head, which is the
	// payload of a plain answer, and what follows that in s. It is not called for a plain answer. It must end when s
	// breaks. Without an error the call goes on until its target is done, and what Take has not read is not wanted. An
	// error ends the call, and is what the call returns.
	Take func(head []byte, s Stream) error
	// Body is sent while the call is served; nil: there is none. io.EOF is its clean end. Any other error of it breaks
	// the stream, and is what the call returns.
	Body     io.Reader
	Trailers func() []StreamField // of Body, asked for after its end; nil: none
	// Release says that the rest of Body is not wanted: it makes a Read return that waits. It is called unless Body
	// came to its end; required with Body.
	Release func()
}

// StreamOffer comes with a call that is served, whose caller takes a stream. It belongs to the one who serves it until
// the call returns.
type StreamOffer struct {
	// Stream has the body that the caller sends, where Body is set, and takes that of the answer after Respond.
	Stream Stream
	Body   bool // a body comes with the call; its payload ends where the body begins
	// Respond sends the head of the answer: the payload of a plain answer. What is written to Stream follows it, and
	// what the handler returns does not count, except for an error, which breaks the stream. The call has no deadline
	// from then on: it ends when it returns, or when the stream breaks. It succeeds once, at most; a handler that does
	// not call it, or gets its error, gives a plain answer. A head has 900 KiB at most.
	Respond func(head []byte) error
}

// publicStream is a stream as providers know it.
type publicStream struct{ *stream.Stream }

func (s publicStream) Trailers() []StreamField {
	var all []StreamField
	for _, f := range s.Stream.Trailers() {
		all = append(all, StreamField(f))
	}
	return all
}

func (s publicStream) End(ctx context.Context, trailers []StreamField) error {
	return s.Stream.End(ctx, fields(trailers))
}

func fields(all []StreamField) (fields []stream.Field) {
	for _, f := range all {
		fields = append(fields, stream.Field(f))
	}
	return fields
}

// offered is what the caller of a call that is served offers; nil: nothing.
func offered(ctx context.Context) *StreamOffer {
	o := stream.From(ctx)
	if o == nil {
		return nil
	}
	return &StreamOffer{Stream: publicStream{o.Stream}, Body: o.Body, Respond: o.Respond}
}

// caller is what goes with a call. taken is set when its answer is a stream.
func (c *StreamCaller) caller(taken *bool) *stream.Caller {
	if c == nil {
		return nil
	}
	inner := &stream.Caller{Body: c.Body, Release: c.Release, Take: func(head []byte, s *stream.Stream) error {
		*taken = true
		return c.Take(head, publicStream{s})
	}}
	if c.Trailers != nil {
		inner.Trailers = func() []stream.Field { return fields(c.Trailers()) }
	}
	return inner
}
