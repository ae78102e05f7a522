package http

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
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
	sending  *sending            // the request that it is of, once that was asked for; nil: none
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
	b.state.Release(len(b.held))
	b.held = nil
	b.letTrailers()
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
	if s := b.sending; s != nil && b.failed != nil {
		b.sending = nil
		b.release()
		s.fail(b.failed)
	}
}

// fits reports whether the body is as long as its header says.
func (b *outgoingBody) fits() bool {
	return b.length < 0 || uint64(b.length) == b.written || b.bodiless && b.written == 0
}

// misfit says why a body cannot end here as it is; nil: it can.
func (b *outgoingBody) misfit() *httpclient.Failure {
	switch {
	case !b.fits():
		return httpclient.Sized(b.size, int64(b.written), "another length than content-length says")
	case b.size == httpclient.RequestBodySize && b.trailers != nil && len(b.trailers.header()) > 0:
		return httpclient.Sized(httpclient.RequestTrailersSize, int64(b.trailers.header().size()),
			"a request is sent without trailers: "+string(httpclient.ID)+" has none")
	}
	return nil
}

// finish ends a body that is whole, and whose response is sent.
func (b *outgoingBody) finish(ctx context.Context) error {
	b.exchange.finished = true
	var trailers Header
	if b.trailers != nil {
		trailers = b.trailers.header()
	}
	err := b.exchange.Finish(ctx, trailers)
	b.release()
	return err
}

var errEnded = errors.New("the body has ended")

// write takes the bytes of a body. Before the response is sent some are held.
func (b *outgoingBody) write(ctx context.Context, p []byte) error {
	if b.done {
		return errEnded
	}
	b.written += uint64(len(p))
	if b.length >= 0 && b.written > uint64(b.length) {
		return errors.New("more than content-length says")
	}
	if b.exchange != nil {
		return b.gap(b.exchange.Write(ctx, p))
	}
	if !b.state.Hold(len(p)) {
		return b.gap(fmt.Errorf("headers and bodies that are not sent hold %d MiB", face.MaxHeld>>20))
	}
	b.held = append(b.held, p...)
	return nil
}

// gap remembers an error of taking bytes: the body is not whole then, whatever follows.
func (b *outgoingBody) gap(err error) error {
	if err != nil && b.failed == nil {
		b.failed = httpclient.Sized(b.size, int64(b.written), "%v", err)
	}
	return err
}

// maxWrite is how much a body takes at once that is not sent yet.
const maxWrite = 64 << 10

func (b *outgoingBody) room() int {
	if b.exchange == nil || b.exchange.Room == nil {
		return maxWrite
	}
	return b.exchange.Room()
}

func (b *outgoingBody) writable() *wasiio.Pollable {
	return &wasiio.Pollable{Await: func() <-chan struct{} {
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
		if b.end(b.misfit()); b.failed != nil {
			b.letTrailers()
			return face.Bad(errorCode(b.failed)), nil
		}
		if s := b.sending; s != nil {
			b.sending = nil
			s.send(c, b.held)
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
