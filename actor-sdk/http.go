package actor

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// Header holds the values of each HTTP header under its name in lower case.
type Header = httpserver.Header

// Response is the answer to a Request. A StatusCode of 0 means 200.
type Response = httpserver.Response

// Request is an HTTP request: Method, Path, Query, Body, Header, HeaderValue, where it comes from, and what a Router
// found in the path.
type Request struct {
	httpserver.View
	values []pathValue
}

// HTTPHandler answers an HTTP request. An error made by Status becomes the response that it describes; any other one
// fails the invocation: the client gets a bare 500, the text goes to logs only.
type HTTPHandler func(*Request) (*Response, error)

// HandleHTTP makes h the handler of wasmcloud:httpserver. Call it from init, once.
func HandleHTTP(h HTTPHandler) {
	Handle(httpserver.HandleRequest, func(payload []byte) ([]byte, error) {
		in := new(Request)
		if err := in.Decode(payload); err != nil {
			return nil, err
		}
		out, err := h(in)
		if err != nil {
			var status *StatusError
			if !errors.As(err, &status) {
				return nil, err
			}
			out = status.response()
		}
		if out == nil {
			return nil, errors.New("the HTTP handler returned neither response nor error")
		}
		if out.StatusCode == 0 {
			out.StatusCode = 200
		}
		return out.Encode(), nil
	})
}

// ClientAddr returns the client's address, as "192.0.2.7" or "2001:db8::7"; "" when the provider does not tell. Clients
// cannot forge it: it comes from the connection, or from a proxy that the link trusts.
func (r *Request) ClientAddr() string {
	client, _, _ := strings.Cut(r.HeaderValue(httpserver.ForwardedFor), ",")
	return strings.TrimSpace(client)
}

// Scheme returns how the client sent the request, "http" or "https"; "" when the provider does not tell. It is as
// trustworthy as ClientAddr.
func (r *Request) Scheme() string { return r.HeaderValue(httpserver.ForwardedProto) }

// Host returns the host that the client asked for, with its port if it named one. It is what the client says, as
// everywhere in HTTP.
func (r *Request) Host() string {
	if host := r.HeaderValue(httpserver.ForwardedHost); host != "" {
		return host
	}
	return r.HeaderValue("host")
}

// QueryValue returns the first value of a query parameter, decoded; "" when there is none.
func (r *Request) QueryValue(name string) string { return queryValue(r.Query, name) }

// PathValue returns what a wildcard of the Router's pattern matched, decoded; "" when there is no such wildcard.
func (r *Request) PathValue(name string) string {
	for _, v := range r.values {
		if v.name == name {
			return unescape(v.value, false)
		}
	}
	return ""
}

// StatusError is an error that knows its HTTP status. See Status.
type StatusError struct {
	StatusCode int
	Text       string
	Header     Header // may be nil
}

// Error returns the text.
func (e *StatusError) Error() string { return e.Text }

func (e *StatusError) response() *Response {
	body := append(AppendJSONString([]byte(`{"error":`), e.Text), '}')
	out := Bytes(e.StatusCode, "application/json", body)
	for name, values := range e.Header {
		out.Header[name] = values
	}
	return out
}

// Status returns an error that a handler returns to answer with this status and the body {"error":"text"}.
func Status(code int, text string) error { return &StatusError{StatusCode: code, Text: text} }

// Text returns a response in plain text.
func Text(status int, text string) *Response {
	return Bytes(status, "text/plain; charset=utf-8", []byte(text))
}

// Bytes returns a response with a body of the given content type.
func Bytes(status int, contentType string, body []byte) *Response {
	return &Response{StatusCode: uint16(status), Header: Header{"content-type": {contentType}}, Body: body}
}

// JSON returns a response with v in JSON. It works by reflection, which costs a TinyGo module some 140 kB: small actors
// write their JSON with AppendJSONString.
func JSON(status int, v any) (*Response, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return Bytes(status, "application/json", body), nil
}
