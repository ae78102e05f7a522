package httpserver

import (
	"strings"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/msgpack"
)

const (
	// ID names the contract in claims and links.
	ID lattice.ContractID = "wasmcloud:httpserver"
	// HandleRequest is the operation of the actor: Request to Response.
	HandleRequest = "HttpServer.HandleRequest"
)

// Headers by which actors learn where a request comes from. A provider of weft writes them; what a client sends under
// these names does not reach an actor.
const (
	ForwardedFor   = "x-forwarded-for"   // the client's address, then those of the proxies that have passed it on
	ForwardedProto = "x-forwarded-proto" // "http" or "https", as the client sent it
	ForwardedHost  = "x-forwarded-host"  // the host that the client asked for; only where a proxy asks for another one
)

// Header holds the values of each header. Names are in lower case, as providers send them; the methods see to that.
type Header map[string][]string

// Get returns the first value of a header, "" when there is none. The case of name does not matter.
func (h Header) Get(name string) string {
	if v := h[strings.ToLower(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set replaces the values of a header by one.
func (h Header) Set(name, value string) { h[strings.ToLower(name)] = []string{value} }

// Add appends a value to a header.
func (h Header) Add(name, value string) {
	name = strings.ToLower(name)
	h[name] = append(h[name], value)
}

// Request is an HTTP request as an actor sees it.
type Request struct {
	Method string // upper case
	Path   string // with the leading slash, without the query
	Query  string // raw, without the question mark; "" when there is none
	Header Header
	Body   []byte
}

// Encode returns the payload: all five fields, the header in the order of its names.
func (q *Request) Encode() []byte {
	w := q.begin(len(q.Body))
	w.Bin(q.Body)
	return w.Bytes()
}

// EncodeHead returns what Encode returns without the bytes of the body, which are to follow and are so many.
func (q *Request) EncodeHead(body int) []byte {
	w := q.begin(0)
	w.BinLen(body)
	return w.Bytes()
}

// begin writes all up to the body.
func (q *Request) begin(room int) *msgpack.Writer {
	w := msgpack.NewWriter(96 + len(q.Method) + len(q.Path) + len(q.Query) + room +
		msgpack.StrsMapSize(q.Header))
	w.Map(5)
	w.Str("method")
	w.Str(q.Method)
	w.Str("path")
	w.Str(q.Path)
	w.Str("queryString")
	w.Str(q.Query)
	w.Str("header")
	w.StrsMap(q.Header)
	w.Str("body")
	return w
}

var requestFields = []string{"method", "path", "queryString", "header", "body"}

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
			q.Path = r.Str()
		case 2:
			q.Query = r.Str()
		case 3:
			q.Header = r.StrsMap()
		case 4:
			q.Body = r.Bin()
		}
	})
	if err := r.Finish(); err != nil {
		return nil, err
	}
	return q, nil
}

// Response is an actor's answer to a Request.
type Response struct {
	StatusCode uint16
	Header     Header
	Body       []byte
}

// Encode returns the payload: all three fields, which some providers insist on, the header in the order of its names.
func (p *Response) Encode() []byte {
	const begin, header, body = "\x83\xaastatusCode", "\xa6header", "\xa4body"
	w := msgpack.NewWriter(48 + len(p.Body) + msgpack.StrsMapSize(p.Header))
	w.Raw(begin)
	w.Uint(uint64(p.StatusCode))
	if len(p.Header) == 0 {
		w.Raw(header + "\x80" + body)
	} else {
		w.Raw(header)
		w.StrsMap(p.Header)
		w.Raw(body)
	}
	w.Bin(p.Body)
	return w.Bytes()
}

var responseFields = []string{"statusCode", "header", "body"}

// DecodeResponse reads a response. Its body is part of b, not a copy. Missing fields are empty, a missing status is 0;
// errors wrap lattice.ErrInvalid.
func DecodeResponse(b []byte) (*Response, error) {
	p := new(Response)
	r := msgpack.NewReader(b)
	r.Struct(responseFields, func(i int) {
		switch i {
		case 0:
			p.StatusCode = r.Uint16()
		case 1:
			p.Header = r.StrsMap()
		case 2:
			p.Body = r.Bin()
		}
	})
	if err := r.Finish(); err != nil {
		return nil, err
	}
	return p, nil
}
