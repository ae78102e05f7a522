package http

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// outgoingBody is written to once its response has been sent, and waits until then.
type outgoingBody struct {
	state    *face.State
	exchange *Exchange // nil: not sent yet
	held     []byte    // written before it was sent
	written  uint64
	length   int64               // by the header; negative: unknown
	size     string              // the name of the error when it has another length
	sending  *sending            // the request that it is of, once that was asked for, and until it is on its way
	feed     *feed               // where the body of a request goes that is on its way; nil: it is not
	unwanted bool                // whom the request went to wants no more of the body
	stream   bool                // it was asked for
	done     bool                // nothing more is written
	bodiless bool                // what it is sent with has no body, whatever its header says
	failed   *httpclient.Failure // why it is not whole; nil: it is, or may be yet
	trailers *fields             // of a body that is done; nil: none
}

// body makes the body of what has the header: of names the error when it has another length than that says. It is nil
// where content-length is no length.
func (f *fields) body(s *face.State, of string) *outgoingBody {
	length, ok := f.all.length()
	if !ok {
		return nil
	}
	return &outgoingBody{state: s, length: length, size: of}
}

// Drop gives back what was written and not sent. A body that was not finished is not whole.
func (b *outgoingBody) Drop() {
	b.release()
	if !b.done {
		b.end(httpclient.Fail(httpclient.ProtocolError, "the body was not finished"))
	}
}

func (b *outgoingBody) release() {
	b.letHeld()
	b.letTrailers()
}

func (b *outgoingBody) letHeld() {
	b.state.Release(len(b.held))
	b.held = nil
}

func (b *outgoingBody) letTrailers() {
	if b.trailers != nil {
		b.trailers.Drop()
		b.trailers = nil
	}
}

// end says that nothing more is written; failed is why the body is not whole. A request whose body is not whole is not
// sent.
func (b *outgoingBody) end(failed *httpclient.Failure) {
	b.done = true
	if b.failed == nil {
		b.failed = failed
	}
	switch s := b.sending; {
	case b.failed == nil:
	case s != nil:
		b.sending = nil
		b.release()
		s.fail(b.failed)
	case b.feed != nil:
		b.feed.end(b.failed, nil)
	}
}

// fits reports whether the body is as long as its header says.
func (b *outgoingBody) fits() bool {
	return b.length < 0 || uint64(b.length) == b.written || b.bodiless && b.written == 0
}

// misfit says why a body cannot end here as it is; nil: it can.
func (b *outgoingBody) misfit() *httpclient.Failure {
	switch {
	case b.unwanted:
		return nil
	case !b.fits():
		return httpclient.Sized(b.size, int64(b.written), "another length than content-length says")
	case b.sending != nil && len(b.given()) > 0: // it could not be sent as a stream
		return untrailed(b.given())
	}
	return nil
}

// untrailed is why a request with trailers is not sent.
func untrailed(trailers Header) *httpclient.Failure {
	return httpclient.Sized(httpclient.RequestTrailersSize, int64(trailers.size()),
		"it cannot be sent with trailers: the provider that the actor is linked with takes no bodies as streams")
}

// finish ends a body that is whole, and whose response is sent.
func (b *outgoingBody) finish(ctx context.Context) error {
	b.exchange.finished = true
	err := b.exchange.Finish(ctx, b.given())
	b.release()
	return err
}

// given are the trailers.
func (b *outgoingBody) given() Header {
	if b.trailers == nil {
		return nil
	}
	return b.trailers.header()
}

var errEnded = errors.New("the body has ended")

// write takes the bytes of a body. Before the response is sent some are held.
func (b *outgoingBody) write(ctx context.Context, p []byte) error {
	if b.done {
		return errEnded
	}
	b.written += uint64(len(p))
	if b.length >= 0 && b.written > uint64(b.length) {
		return httpclient.Sized(b.size, int64(b.written), "more than content-length says")
	}
	if b.exchange != nil {
		return b.gap(b.exchange.Write(ctx, p))
	}
	if b.sending != nil && len(b.held)+len(p) > heldBytes {
		b.sending.stream()
	}
	if b.feed != nil {
		err := b.feed.write(ctx, p)
		b.unwanted = b.unwanted || err == wasiio.ErrClosed
		return err
	}
	if !b.state.Hold(len(p)) {
		return b.gap(fmt.Errorf("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20))
	}
	b.held = append(b.held, p...)
	return nil
}

// gap remembers an error of taking bytes: the body is not whole then, whatever follows. It is told as what the guest
// finds it to be.
func (b *outgoingBody) gap(err error) error {
	if err == nil {
		return nil
	}
	if b.failed == nil && refused[lattice.CodeOf(err)] != "" {
		b.failed = failureOf(err)
	} else if b.failed == nil {
		b.failed = httpclient.Sized(b.size, int64(b.written), "%v", err)
	}
	return b.failed
}

// maxWrite is how much a body takes at once that is not sent yet.
const maxWrite = 64 << 10

func (b *outgoingBody) room() int {
	if b.feed != nil {
		return b.feed.room()
	}
	if b.exchange == nil || b.exchange.Room == nil {
		return maxWrite
	}
	return b.exchange.Room()
}

func (b *outgoingBody) writable() *wasiio.Pollable {
	return &wasiio.Pollable{Await: func() <-chan struct{} {
		if b.feed != nil {
			return b.feed.writable()
		}
		if b.exchange == nil || b.exchange.Writable == nil {
			return nil
		}
		return b.exchange.Writable()
	}}
}

var outgoingBodies = map[string]face.Func{
	"[method]outgoing-body.write": face.Method(face.Little, func(c *face.Call, b *outgoingBody, _ []any) (any, error) {
		if b.stream {
			return face.Bad(nil), nil
		}
		b.stream = true
		return c.Good(face.Rep(&wasiio.Output{Sink: b.write, Room: b.room, Ready: b.writable})), nil
	}),
	"[static]outgoing-body.finish": {Lent: true, Call: func(c *face.Call, args []any) (any, error) {
		b := face.Object[*outgoingBody](args[0])
		if f, ok := value(args[1]); ok {
			var err error
			if b.trailers, err = given(c, f); err != nil {
				return nil, err
			}
		}
		if b.sending != nil && len(b.given()) > 0 { // a request that is sent as a whole has none
			b.sending.stream()
		}
		if b.end(b.misfit()); b.failed != nil {
			b.letTrailers()
			return face.Bad(errorCode(b.failed)), nil
		}
		if b.feed != nil {
			b.feed.end(nil, b.given())
			b.letTrailers()
			return face.Good(nil), nil
		}
		if s := b.sending; s != nil {
			b.sending = nil
			s.send(b.held, nil)
			return face.Good(nil), nil
		}
		if b.exchange == nil {
			return face.Good(nil), nil
		}
		if err := b.finish(c.Context); err != nil {
			return face.Bad(internalError(err)), nil
		}
		return face.Good(nil), nil
	}},
}
