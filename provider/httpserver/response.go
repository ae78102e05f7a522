package httpserver

import (
	"io"
	"net/http"
	"strconv"
)

// response takes the answer to a request: Begin, Set for each header, then one of Body, NoBody and Stream. Names and values
// must be valid ones. *http1.Response is one.
type response interface {
	Begin(status int)
	Set(name, value string)
	Close()              // the connection, after the answer
	Body(b []byte)       // of a request for a head the length alone
	NoBody(length int64) // of the body that another request would get; negative: none
	// Stream sends n bytes that copy writes, and returns its error, after which the handler panics with http.ErrAbortHandler.
	Stream(n int64, copy func(io.Writer) error) error
}

// netResponse answers by net/http.
type netResponse struct {
	w      http.ResponseWriter
	head   bool
	status int
}

func (n *netResponse) Begin(status int) {
	n.status = status
	n.w.Header()["Content-Type"] = nil // do not guess
}

func (n *netResponse) Set(name, value string) { n.w.Header().Add(name, value) }

func (n *netResponse) Close() { n.w.Header().Set("Connection", "close") }

func (n *netResponse) Body(b []byte) {
	n.NoBody(int64(len(b)))
	if !n.head {
		_, _ = n.w.Write(b) // the client has gone, or not
	}
}

func (n *netResponse) NoBody(length int64) {
	if length >= 0 {
		n.w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	n.w.WriteHeader(n.status)
}

func (n *netResponse) Stream(length int64, copy func(io.Writer) error) error {
	n.NoBody(length)
	if n.head {
		return nil
	}
	return copy(n.w)
}
