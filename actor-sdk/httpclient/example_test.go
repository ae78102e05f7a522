package httpclient_test

import (
	"fmt"

	"github.com/weftlattice/weft/actor-sdk/actortest"
	"github.com/weftlattice/weft/actor-sdk/httpclient"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
)

func Example() {
	h := actortest.New(nil) // a host in this process; in a test: New(t)
	// stands in for the Internet
	h.Provider(contract.ID, "", func(_ string, payload []byte) ([]byte, error) {
		req, err := contract.DecodeRequest(payload)
		if err != nil {
			return nil, err
		}
		if req.URL != "https://api.example.com/" {
			return nil, contract.Fail(contract.RequestDenied, "the link does not allow %s", req.URL)
		}
		return (&contract.Response{StatusCode: 200, Body: []byte("hello")}).Encode(), nil
	})
	h.Run(func() { // as within a call of the actor
		resp, err := httpclient.Default().Get("https://api.example.com/")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.StatusCode, string(resp.Body))

		_, err = httpclient.Default().Get("https://other.example.com/")
		failure, _ := httpclient.FailureOf(err)
		fmt.Println(failure.Name)
	})
	// Output:
	// 200 hello
	// HTTP-request-denied
}
