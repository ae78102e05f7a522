// Pinger answers an HTTP request by asking ponger: by the call alias weft/ponger, or by the key or alias that the query
// names, as in /?key=MCR3.... The answer is {"value":"pong"}; when nobody answers, a 502 with the reason.
package main

import (
	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/lattice/msgpack"
)

func init() { actor.HandleHTTP(ping) }

func ping(req *actor.Request) (*actor.Response, error) {
	target := req.QueryValue("key")
	if target == "" {
		target = "weft/ponger"
	}
	b, err := actor.Call(target, "Pingpong.Ping", nil)
	if err != nil {
		return nil, actor.Status(502, err.Error())
	}
	value, err := msgpack.DecodeStr(b)
	if err != nil {
		return nil, actor.Status(502, err.Error())
	}
	return actor.Bytes(200, "application/json", append(actor.AppendJSONString([]byte(`{"value":`), value), '}')), nil
}

func main() {}
