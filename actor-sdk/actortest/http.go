package actortest

import (
	"encoding/json"
	"strings"

	"github.com/weftlattice/weft/lattice/contract/core"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// Response is the actor's answer to an HTTP request.
type Response struct {
	*httpserver.Response
}

// Text returns the body.
func (r Response) Text() string { return string(r.Body) }

// JSON decodes the body into v.
func (r Response) JSON(v any) error { return json.Unmarshal(r.Body, v) }

// Get sends a GET request for a path, which may carry a query.
func (h *Host) Get(target string) Response {
	h.t.Helper()
	return h.Request("GET", target, nil, nil)
}

// Post sends a POST request with a body.
func (h *Host) Post(target, contentType, body string) Response {
	h.t.Helper()
	return h.Request("POST", target, httpserver.Header{"content-type": {contentType}}, []byte(body))
}

// Request sends any request. The test fails at once when the actor answers with an error instead of a response.
func (h *Host) Request(method, target string, header httpserver.Header, body []byte) Response {
	h.t.Helper()
	r, err := h.TryRequest(method, target, header, body)
	if err != nil {
		h.t.Fatalf("%s %s: %v%s", method, target, err, strings.Join(append([]string{""}, h.ConsoleLines()...), "\n"))
	}
	return r
}

// TryRequest is Request for requests that the actor fails; a client would get a bare 500 then.
func (h *Host) TryRequest(method, target string, header httpserver.Header, body []byte) (Response, error) {
	path, query, _ := strings.Cut(target, "?")
	lower := httpserver.Header{}
	for name, values := range header {
		for _, v := range values {
			lower.Add(name, v)
		}
	}
	q := httpserver.Request{Method: method, Path: path, Query: query, Header: lower, Body: body}
	b, err := h.Invoke(httpserver.HandleRequest, q.Encode())
	if err != nil {
		return Response{}, err
	}
	p, err := httpserver.DecodeResponse(b)
	return Response{p}, err
}

// Health asks the actor whether it is healthy.
func (h *Host) Health() core.Health {
	h.t.Helper()
	b, err := h.Invoke(core.HealthRequest, core.EncodeHealthRequest())
	if err != nil {
		h.t.Fatalf("health: %v", err)
	}
	health, err := core.DecodeHealth(b)
	if err != nil {
		h.t.Fatalf("health: %v", err)
	}
	return health
}
