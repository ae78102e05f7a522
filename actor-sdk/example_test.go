package actor_test

import (
	"fmt"

	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/lattice/contract/httpserver"
)

// An actor registers its handlers in init. Here a router's is called as the actor's host would.
func ExampleRouter() {
	r := actor.NewRouter()
	r.Handle("GET /hello/{name}", func(req *actor.Request) (*actor.Response, error) {
		if req.PathValue("name") == "nobody" {
			return nil, actor.Status(404, "nobody is here")
		}
		return actor.Text(200, "hello "+req.PathValue("name")), nil
	})

	resp, err := r.Serve(request("GET", "/hello/ada"))
	fmt.Println(resp.StatusCode, string(resp.Body), err)
	_, err = r.Serve(request("GET", "/hello/nobody"))
	fmt.Println(err)
	// Output:
	// 200 hello ada <nil>
	// nobody is here
}

// request is what HandleHTTP would make of a request's bytes.
func request(method, path string) *actor.Request {
	req := new(actor.Request)
	if err := req.Decode((&httpserver.Request{Method: method, Path: path}).Encode()); err != nil {
		panic(err)
	}
	return req
}
