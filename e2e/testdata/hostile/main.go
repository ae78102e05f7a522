// Hostile does by name what a host must survive. The path of an HTTP request, or the operation after "Hostile.", says
// what.
package main

import (
	"sync/atomic"

	actor "github.com/weftlattice/weft/actor-sdk"
)

var (
	sink  atomic.Int64
	hoard [][]byte
)

var deeds = map[string]func() ([]byte, error){
	"ok":      func() ([]byte, error) { return []byte("ok"), nil },
	"loop":    loop,
	"bomb":    bomb,
	"recurse": func() ([]byte, error) { return []byte{byte(recurse(0))}, nil },
	"panic":   func() ([]byte, error) { panic("on purpose") },
	"pointer": func() ([]byte, error) { respond(0xffff0000, 1<<20); return nil, nil },
}

func init() {
	for name, deed := range deeds {
		actor.Handle("Hostile."+name, func([]byte) ([]byte, error) { return deed() })
	}
	actor.HandleHTTP(func(req *actor.Request) (*actor.Response, error) {
		deed := deeds[req.Path[1:]]
		if deed == nil {
			return nil, actor.Status(404, "no such deed")
		}
		body, err := deed()
		if err != nil {
			return nil, err
		}
		return actor.Bytes(200, "application/octet-stream", body), nil
	})
}

func loop() ([]byte, error) {
	for {
		sink.Add(1)
	}
}

func bomb() ([]byte, error) {
	for {
		b := make([]byte, 1<<20)
		b[0] = 1
		hoard = append(hoard, b)
	}
}

func recurse(n int) int {
	var frame [512]int
	frame[n%512] = n
	sink.Store(int64(n))
	return recurse(n+1) + frame[(n+1)%512]
}

//go:wasmimport wasmbus __guest_response
func respond(ptr, size uint32)

func main() {}
