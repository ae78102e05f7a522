package httpclient

import (
	actor "github.com/weftlattice/weft/actor-sdk"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
)

// Client makes requests over one link.
type Client struct {
	link lattice.LinkName
}

// Default returns the client of the default link.
func Default() Client { return Client{} }

// Open returns the client of a link of another name.
func Open(link lattice.LinkName) Client { return Client{link: link} }

// Header, Request, Response and Failure are those of the contract.
type (
	Header   = contract.Header
	Request  = contract.Request
	Response = contract.Response
	Failure  = contract.Failure
)

// Get makes a request with the method GET and an empty header.
func (c Client) Get(url string) (*Response, error) { return c.Do(&Request{Method: "GET", URL: url}) }

// Do makes a request.
func (c Client) Do(q *Request) (*Response, error) {
	b, err := actor.CallProvider(contract.ID, c.link, contract.Send, q.Encode())
	if err != nil {
		return nil, err
	}
	return contract.DecodeResponse(b)
}

// FailureOf finds why a request got no answer; false where the error says nothing of that kind, as when the actor has
// no link.
func FailureOf(err error) (*Failure, bool) {
	if err == nil {
		return nil, false
	}
	return contract.ParseFailure(err.Error())
}
