package httpserver

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// response takes the answer to a request: Begin, Set for each header, then one of Body, NoBody and Stream. Names and
// values must be valid ones. *http1.Response is one.
type response interface {
	Begin(status int)
	Set(name, value string)
	Close()              // the connection, after the answer
	Body(b []byte)       // of a request for a head the length alone
	NoBody(length int64) // of the body that another request would get; negative: none
	// Stream sends n bytes that copy writes, and returns its error, after which the handler panics with
	// http.ErrAbortHandler.
	Stream(n int64, copy func(io.Writer) error) error
	// Chunks sends what copy writes, of which nobody knows how much it is, and lets the client have it whenever copy
	// calls flush. trailers says what follows it. It returns the error of copy, as Stream does.
	Chunks(copy func(w io.Writer, flush func() error) error, trailers func(yield func(name, value string) bool)) error
	// Lasting says that the answer may take long, and may wait for more to be written.
	Lasting()
}

// netResponse answers by net/http.
type netResponse struct {
	w           http.ResponseWriter
	control     *http.ResponseController
	head        bool
	multiplexed bool // on a connection with others, as in HTTP/2
	status      int
	patience    time.Duration // for a client to take a piece
	wait        *hold         // room for what waits for the client
}

// progress is how much of an answer a client has to take within the time for writing.
const progress = 64 << 10

// hurry sets the time in which the client has to take what is written next.
func (n *netResponse) hurry() { _ = n.control.SetWriteDeadline(time.Now().Add(n.patience)) }

// release gives back the room for what waits.
func (n *netResponse) release() {
	n.wait.release()
	n.wait = nil
}

// Write writes a body, piece by piece.
func (n *netResponse) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		n.hurry()
		var more int
		more, err = n.w.Write(b[written:min(len(b), written+progress)])
		written += more
	}
	return written, err
}

func (n *netResponse) Begin(status int) {
	n.status = status
	n.w.Header()["Content-Type"] = nil // do not guess
}

func (n *netResponse) Set(name, value string) { n.w.Header().Add(name, value) }

func (n *netResponse) Close() {
	// there it would end others' streams, and nothing is left of this one that could be taken for a request
	if !n.multiplexed {
		n.w.Header().Set("Connection", "close")
	}
}

func (n *netResponse) Body(b []byte) {
	n.NoBody(int64(len(b)))
	if !n.head && len(b) > 0 {
		_, _ = n.Write(b) // the client has gone, or not
		n.flush()
	}
}

func (n *netResponse) NoBody(length int64) {
	if length >= 0 {
		n.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	n.hurry()
	n.w.WriteHeader(n.status)
}

func (n *netResponse) Stream(length int64, copy func(io.Writer) error) error {
	n.NoBody(length)
	if n.head {
		return nil
	}
	err := copy(n)
	n.flush()
	return err
}

func (n *netResponse) Lasting() {
	_ = n.control.SetReadDeadline(time.Time{})
	_ = n.control.SetWriteDeadline(time.Time{})
}

// Chunks sends a body of unknown length. The head goes at once, since the first byte may come late. The write deadline
// holds while something is being written, and not while the actor is waited for.
func (n *netResponse) Chunks(copy func(io.Writer, func() error) error,
	trailers func(yield func(name, value string) bool)) error {
	n.NoBody(-1)
	if n.head {
		return nil
	}
	flush := func() error {
		n.hurry()
		err := n.control.Flush()
		_ = n.control.SetWriteDeadline(time.Time{}) // it does not hang while it waits for the actor
		return err
	}
	err := flush()
	if err == nil {
		err = copy(n, flush)
	}
	if err == nil {
		for name, value := range trailers { // Add does not know the names behind the prefix, which may differ in case
			n.w.Header().Add(http.TrailerPrefix+http.CanonicalHeaderKey(name), value)
		}
		n.hurry()
	}
	return err
}

// flush waits until the client has taken what a multiplexed connection has for it, which the room is for. Of one with a
// single request what is left fits into its buffers.
func (n *netResponse) flush() {
	if n.multiplexed {
		_ = n.control.Flush()
	}
}
