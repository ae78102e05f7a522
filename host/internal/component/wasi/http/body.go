package http

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftlattice/weft/host/internal/component/abi"
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
	trailers Header              // of a body that was done before it was sent
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
	"[method]outgoing-body.write": face.Method(face.Little, func(_ *face.Call, b *outgoingBody, _ []any) (any, error) {
		if b.stream {
			return face.Bad(nil), nil
		}
		b.stream = true
		return face.Good(face.Rep(&wasiio.Output{Sink: b.write, Room: b.room, Ready: b.writable})), nil
	}),
	"[static]outgoing-body.finish": {Call: func(c *face.Call, args []any) (any, error) {
		b := face.Object[*outgoingBody](args[0])
		var trailers Header
		if t := args[1].(abi.Variant); t.Case == 1 {
			f := face.Object[*fields](t.Value)
			defer f.Drop()
			trailers = f.all
		}
		var failed *httpclient.Failure
		if !b.fits() {
			failed = httpclient.Sized(b.size, int64(b.written), "another length than content-length says")
		}
		if b.end(failed); b.failed != nil {
			return face.Bad(errorCode(b.failed)), nil
		}
		if s := b.sending; s != nil {
			b.sending = nil
			s.send(c, b.held)
			return face.Good(nil), nil
		}
		if b.exchange == nil {
			b.trailers = trailers
			return face.Good(nil), nil
		}
		b.exchange.finished = true
		if err := b.exchange.Finish(c.Context, trailers); err != nil {
			return face.Bad(internalError(err)), nil
		}
		return face.Good(nil), nil
	}},
}
