package httpserver

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// What follows a request whose end two servers may see at different places is not served on the same connection.
func TestNothingIsSmuggledBehindARequestWithTwoLengths(t *testing.T) {
	w := openWays(t, nil)
	const next = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, text := range map[string]string{
		"chunks and a length": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: " +
			"chunked\r\n\r\n0\r\n\r\n" + next,
		"a length and chunks": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" +
			"Content-Length: 4\r\n\r\n0\r\n\r\n" + next,
		"the same, as the second request": "GET / HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n" +
			"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"chunks of HTTP/1.0": "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: " +
			"chunked\r\n\r\n" + next,
		"both of HTTP/1.0": "POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 0\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n" + next,
	} {
		for _, way := range wayNames[:3] {
			t.Run(name+" over "+way, func(t *testing.T) {
				w.t = t
				c := w.dial(way)
				defer c.Close()
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				want := strings.Count(text, " / HTTP")
				r := bufio.NewReader(c)
				for n := 0; ; n++ {
					resp, err := http.ReadResponse(r, nil)
					if err != nil {
						if n == 0 {
							t.Fatalf("no answer: %v", err)
						}
						if errors.Is(err, os.ErrDeadlineExceeded) {
							t.Fatal("the connection stays open")
						}
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					if n >= want {
						t.Fatalf("answer %d of %d: %s", n+1, want, resp.Status)
					}
				}
			})
		}
	}
}
