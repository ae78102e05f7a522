package httpserver

import (
	"errors"
	"net/http"
	"os"
	"strconv"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/wire"
)

// failure is an answer of the provider itself.
type failure struct {
	status int
	code   lattice.Code
	text   string          // for the client; no internals
	cause  error           // for the log
	actor  lattice.ActorID // the actor that the request was for, where its route has not let it in
	allow  string          // methods, for a header
	// ends the connection: where its next request begins is not known, or much that is not wanted comes before it
	close bool
}

// callFailure says what a client is told of a failed call with a request of that size.
func callFailure(err error, size int) *failure {
	code := lattice.CodeOf(err)
	f := &failure{status: http.StatusInternalServerError, code: code, text: "the actor failed", cause: err}
	var e *lattice.Error
	remote := errors.As(err, &e) && e.Remote
	switch code {
	case lattice.ErrCanceled: // the client will not read it
		f.status, f.text, f.cause = http.StatusRequestTimeout, "the client has gone", nil
	case lattice.ErrTimeout:
		f.status, f.text = http.StatusServiceUnavailable, "no answer in time"
	case lattice.ErrBusy:
		f.status, f.text = http.StatusServiceUnavailable, "busy"
	case lattice.ErrNoResponders:
		f.status, f.text = http.StatusServiceUnavailable, "the actor is not running"
	case lattice.ErrUnavailable:
		f.status, f.text = http.StatusServiceUnavailable, "something that is needed is away"
	case lattice.ErrUnlinked:
		if !remote { // the link went while the request came
			f.status, f.text = http.StatusNotFound, "no route for this host and path"
		}
	case lattice.ErrTooLarge:
		f.status, f.text = http.StatusBadGateway, "the response is too large"
		if size > wire.MaxInlineBytes { // hosts may take less than this provider does
			f.status, f.text = http.StatusRequestEntityTooLarge, "the request is too large"
		}
	case lattice.ErrInvalid:
		if !remote {
			f.status, f.text = http.StatusBadGateway, "the actor's response is not understood"
		}
	}
	return f
}

// bodyFailure says why a body could not be read.
func bodyFailure(err error, limit int64) *failure {
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return bodyTooLarge(limit)
	case errors.Is(err, errNoRoom):
		return overFull(overLimit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failure{status: http.StatusRequestTimeout, code: lattice.ErrTimeout,
			text: "the body did not come in time"}
	}
	return &failure{status: http.StatusBadRequest, code: lattice.ErrInvalid,
		text: "the body is malformed or incomplete"}
}

func bodyTooLarge(limit int64) *failure {
	return &failure{status: http.StatusRequestEntityTooLarge, code: lattice.ErrTooLarge, close: true,
		text: "the body exceeds the limit of " + strconv.FormatInt(limit, 10) + " bytes"}
}

func tooMany() *failure {
	return &failure{status: http.StatusServiceUnavailable, code: lattice.ErrBusy, text: "too many requests in progress"}
}

// overFull says why something cannot wait for a client.
func overFull(why refusal) *failure {
	f := &failure{status: http.StatusServiceUnavailable, code: lattice.ErrBusy, text: "too much waits for clients",
		close: true}
	if why == overShare {
		f.status, f.text = http.StatusTooManyRequests,
			"too many requests of this client have not been sent to their end, or their answers have not been fetched"
	}
	return f
}
