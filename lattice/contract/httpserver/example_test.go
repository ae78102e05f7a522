package httpserver_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// serve stands in for an actor.
func serve(payload []byte) []byte {
	req, err := httpserver.DecodeRequest(payload)
	if err != nil {
		return (&httpserver.Response{StatusCode: 400, Body: []byte(err.Error())}).Encode()
	}
	return (&httpserver.Response{StatusCode: 200, Body: []byte("hello " + req.Path)}).Encode()
}

func Example() {
	req := &httpserver.Request{Method: "GET", Path: "/ada", Header: httpserver.Header{}}
	resp, err := httpserver.DecodeResponse(serve(req.Encode()))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.StatusCode, string(resp.Body))
	// Output: 200 hello /ada
}
