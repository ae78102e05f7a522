package httpclient

import (
	"time"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/msgpack"
)

const (
	// ID names the contract in claims and links.
	ID lattice.ContractID = "wasmcloud:httpclient"
	// Send is the operation of the provider: Request to Response.
	Send = "HttpClient.Request"
)

// Header holds the values of each header. Names are in lower case in responses, and of any case in requests.
type Header = httpserver.Header

// Request is an HTTP request as an actor wants it made.
type Request struct {
	Method string
	URL    string // absolute: scheme, host, maybe port, path and query
	Header Header
	Body   []byte

	// Connect, FirstByte and BetweenBytes bound the time to connect, until the body of the response begins, and between
	// two parts of that body; 0 leaves them to the provider. Providers of other makes do not know them.
	Connect, FirstByte, BetweenBytes time.Duration
}

var requestFields = []string{"method", "url", "headers", "body", "connectTimeout", "firstByteTimeout",
	"betweenBytesTimeout"}

// Encode returns the payload: the four fields of the contract, the header in the order of its names, and the times that
// are set, in nanoseconds.
func (q *Request) Encode() []byte {
	w := msgpack.NewWriter(160 + len(q.Method) + len(q.URL) + len(q.Body) + msgpack.StrsMapSize(q.Header))
	times := []time.Duration{q.Connect, q.FirstByte, q.BetweenBytes}
	fields := 4
	for _, d := range times {
		if d > 0 {
			fields++
		}
	}
	w.Map(fields)
	w.Str("method")
	w.Str(q.Method)
	w.Str("url")
	w.Str(q.URL)
	w.Str("headers")
	w.StrsMap(q.Header)
	w.Str("body")
	w.Bin(q.Body)
	for i, d := range times {
		if d > 0 {
			w.Str(requestFields[4+i])
			w.Uint(uint64(d))
		}
	}
	return w.Bytes()
}

// DecodeRequest reads a request. Its body is part of b, not a copy. Missing fields are empty; errors wrap
// lattice.ErrInvalid.
func DecodeRequest(b []byte) (*Request, error) {
	q := new(Request)
	r := msgpack.NewReader(b)
	r.Struct(requestFields, func(i int) {
		switch i {
		case 0:
			q.Method = r.Str()
		case 1:
			q.URL = r.Str()
		case 2:
			q.Header = r.StrsMap()
		case 3:
			q.Body = r.Bin()
		case 4:
			q.Connect = span(r.Uint())
		case 5:
			q.FirstByte = span(r.Uint())
		case 6:
			q.BetweenBytes = span(r.Uint())
		}
	})
	if err := r.Finish(); err != nil {
		return nil, err
	}
	return q, nil
}

// span is a time in nanoseconds. What is longer than a Duration can be is the longest one.
func span(nanoseconds uint64) time.Duration { return time.Duration(min(nanoseconds, 1<<63-1)) }

// Response is the answer to a Request.
type Response = httpserver.Response

// DecodeResponse reads a response. Its body is part of b, not a copy. Missing fields are empty, a missing status is 0;
// errors wrap lattice.ErrInvalid.
func DecodeResponse(b []byte) (*Response, error) { return httpserver.DecodeResponse(b) }
