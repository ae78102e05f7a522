package httpclient_test

import (
	"fmt"

	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// serve stands in for a provider.
func serve(payload []byte) ([]byte, error) {
	req, err := httpclient.DecodeRequest(payload)
	if err != nil {
		return nil, err
	}
	if req.URL != "https://api.example.com/" {
		return nil, httpclient.Fail(httpclient.RequestDenied, "the link does not allow %s", req.URL)
	}
	return (&httpclient.Response{StatusCode: 200, Body: []byte("hello")}).Encode(), nil
}

func Example() {
	for _, url := range []string{"https://api.example.com/", "https://other.example.com/"} {
		req := &httpclient.Request{Method: "GET", URL: url, Header: httpclient.Header{}}
		answer, err := serve(req.Encode())
		if err != nil {
			f, _ := httpclient.ParseFailure(err.Error())
			fmt.Println(f.Name)
			continue
		}
		resp, err := httpclient.DecodeResponse(answer)
		fmt.Println(resp.StatusCode, string(resp.Body), err)
	}
	// Output:
	// 200 hello <nil>
	// HTTP-request-denied
}
