// Echo answers every HTTP request with what it received, in JSON.
//
// It writes the JSON by hand and keeps allocations few, since it measures the path to an actor, not the actor. Like the
// echo actors of old it gives the body as an array of bytes; header is left out, unless the query asks for it with
// header=1.
package main

import (
	"slices"
	"strconv"

	actor "github.com/weftlattice/weft/actor-sdk"
)

func init() { actor.HandleHTTP(echo) }

func echo(req *actor.Request) (*actor.Response, error) {
	b := make([]byte, 0, 64+len(req.Path)+len(req.Query)+4*len(req.Body))
	b = append(b, `{"body":[`...)
	for i, c := range req.Body {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(c), 10)
	}
	b = append(b, ']')
	if req.QueryValue("header") == "1" {
		b = append(b, `,"header":`...)
		b = appendHeader(b, req.Header())
	}
	b = append(b, `,"method":`...)
	b = actor.AppendJSONString(b, req.Method)
	b = append(b, `,"path":`...)
	b = actor.AppendJSONString(b, req.Path)
	b = append(b, `,"query_string":`...)
	b = actor.AppendJSONString(b, req.Query)
	b = append(b, '}')
	return &actor.Response{StatusCode: 200, Body: b}, nil
}

func appendHeader(b []byte, h actor.Header) []byte {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(actor.AppendJSONString(b, name), ':', '[')
		for j, value := range h[name] {
			if j > 0 {
				b = append(b, ',')
			}
			b = actor.AppendJSONString(b, value)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func main() {}
