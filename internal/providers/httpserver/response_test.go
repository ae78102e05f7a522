package httpserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// All trailers of an answer reach the client, in their order, when the actor spells a name in several cases.
func TestTrailersOfOneNameInSeveralCases(t *testing.T) {
	want := []string{"first", "second", "third"}
	for _, version := range []int{1, 2} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := &netResponse{w: w, control: http.NewResponseController(w), patience: time.Minute}
			n.Begin(http.StatusOK)
			if err := n.Chunks(func(w io.Writer, _ func() error) error {
				_, err := io.WriteString(w, "body")
				return err
			}, func(yield func(name, value string) bool) {
				_ = yield("x-sum", want[0]) && yield("X-Sum", want[1]) && yield("X-SUM", want[2])
			}); err != nil {
				t.Error(err)
			}
		}))
		s.EnableHTTP2 = version == 2
		s.StartTLS()
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := resp.Trailer["X-Sum"]; err != nil || string(body) != "body" || resp.ProtoMajor != version ||
			!slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, trailers %q, want %q", resp.Proto, body, err, got, want)
		}
		s.Close()
	}
}
