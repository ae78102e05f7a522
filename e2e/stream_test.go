package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// streamWays are the ways between the provider and the actor: within the host, to it, and to another one.
var streamWays = map[string]func(t *testing.T) (r *rig, url string, actors, web *host){
	"inline": func(t *testing.T) (*rig, string, *host, *host) {
		r := newRig(t)
		h := r.host("a", "--inline", "httpserver")
		return r, streamSite(r, h, h), h, h
	},
	"channel": func(t *testing.T) (*rig, string, *host, *host) {
		r := newRig(t)
		h := r.host("a")
		return r, streamSite(r, h, h), h, h
	},
	"NATS": func(t *testing.T) (*rig, string, *host, *host) { // with tokens, as each of them
		r := newRig(t)
		hosts := r.hosts([]string{"a", "b"})
		url := streamSite(r, hosts[0], hosts[1])
		awaitStreams(r, url)
		return r, url, hosts[0], hosts[1]
	},
}

// awaitStreams waits until the provider has heard from the other host that the actor takes streams.
func awaitStreams(r *rig, url string) {
	r.t.Helper()
	latticetest.Eventually(r.t, func() error {
		resp, err := http.Get(url + "/sse?n=1&ms=50")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.ContentLength >= 0 {
			return errors.New("a whole answer")
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
}

// streamSite serves the component's requests.
func streamSite(r *rig, actors, web *host) (url string) {
	r.t.Helper()
	r.weft("provider", "start", "httpserver", "--host", web.Name)
	r.weft("actor", "start", component(r.t, "stream"), "--cap", "wasmcloud:httpserver", "--max", "8",
		"--host", actors.Name)
	return r.web("stream", "max_body_bytes=127M")
}

func open(t *testing.T, method, url string, body io.Reader) *http.Response {
	t.Helper()
	resp, err := begin(t, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// begin is open for a goroutine of a test.
func begin(t *testing.T, method, url string, body io.Reader) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// What a client sees of bodies that are streams, whichever way they go.
func TestStreams(t *testing.T) {
	t.Parallel()
	for name, way := range streamWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, url, actors, web := way(t)
			idle := func() {
				t.Helper()
				for _, h := range []*host{actors, web} {
					h.counts(0, "weft_streams_open")
					h.counts(0, "weft_streams_held_bytes")
				}
			}
			want(t, "GET", url+"/", nil, 200, "hello\n")
			idle()

			// The first event is here long before the last one is written, and the stream outlives the time for a call.
			began := time.Now()
			resp := open(t, "GET", url+"/sse?n=40&ms=100", nil)
			lines := bufio.NewScanner(resp.Body)
			first, n := time.Duration(0), 0
			for lines.Scan() {
				if strings.HasPrefix(lines.Text(), "data: ") {
					if n++; n == 1 {
						first = time.Since(began)
					}
				}
			}
			if took := time.Since(began); lines.Err() != nil || n != 40 || first > took/2 || took < 4*time.Second {
				t.Errorf("%d events, the first after %s, all after %s: %v", n, first, took, lines.Err())
			}

			// Both directions at once: each word comes back before the next one goes.
			r, w := io.Pipe()
			answer := make(chan *http.Response, 1)
			go func() {
				defer close(answer)
				if resp, err := begin(t, "POST", url+"/echo", r); err != nil {
					t.Error(err)
				} else {
					answer <- resp
				}
			}()
			var echo *http.Response
			for _, word := range []string{"one", "two", "three"} {
				if _, err := io.WriteString(w, word); err != nil {
					t.Fatal(err)
				}
				if echo == nil {
					if echo = <-answer; echo == nil {
						t.FailNow()
					}
				}
				back := make([]byte, len(word))
				if _, err := io.ReadFull(echo.Body, back); err != nil || string(back) != word {
					t.Fatalf("%q for %q: %v", back, word, err)
				}
			}
			_ = w.Close()
			if rest, err := io.ReadAll(echo.Body); err != nil || len(rest) > 0 {
				t.Errorf("%q, %v", rest, err)
			}

			// A large body, both ways.
			big := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
			sum := sha256.New()
			if n, err := io.Copy(sum, open(t, "POST", url+"/echo", bytes.NewReader(big)).Body); err != nil ||
				n != int64(len(big)) || !bytes.Equal(sum.Sum(nil), sum256(big)) {
				t.Errorf("echo of %d bytes: %d, %v", len(big), n, err)
			}
			want(t, "POST", url+"/count", bytes.Repeat([]byte("x"), 3<<20), 200, fmt.Sprintln(3<<20))
			want(t, "POST", url+"/drop", bytes.Repeat([]byte("x"), 3<<20), 200, "dropped\n")
			for _, query := range []string{"n=5000000", "length=5000000"} {
				resp := open(t, "GET", url+"/big?"+query, nil)
				n, err := io.Copy(io.Discard, resp.Body)
				known := resp.ContentLength == 5_000_000
				if err != nil || n != 5_000_000 || known != (query[0] == 'l') {
					t.Errorf("%s: %d bytes, length %d, %v", query, n, resp.ContentLength, err)
				}
			}

			// What breaks after the head has no clean end.
			for _, path := range []string{"/trap", "/short"} {
				resp := open(t, "GET", url+path, nil)
				b, err := io.ReadAll(resp.Body)
				if resp.StatusCode != 200 || string(b) != "some" || err == nil {
					t.Errorf("%s: %d, %q, %v", path, resp.StatusCode, b, err)
				}
			}

			// Trailers.
			req, err := http.NewRequest("POST", url+"/trailers", io.MultiReader(strings.NewReader("body")))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength, req.Trailer = -1, http.Header{"Sum": {"42"}}
			resp, err = http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			if err != nil || string(b) != "body" || resp.Trailer.Get("Got-Sum") != "42" {
				t.Errorf("%q, trailers %v, %v", b, resp.Trailer, err)
			}
			_ = resp.Body.Close()
			idle()

			// A client that leaves ends the call, be the guest waiting, writing or computing.
			for _, path := range []string{"/sse?n=1000000", "/big?n=1000000000000", "/spin"} {
				resp := open(t, "GET", url+path, nil)
				if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
					t.Fatal(path, err)
				}
				_ = resp.Body.Close()
			}
			idle()
			latticetest.Eventually(t, func() error { // the instances are free
				if busy := actors.metric("weft_instances", `state="in_use"`); busy != 0 {
					return fmt.Errorf("%g instances are in use", busy)
				}
				return nil
			})

			// A client that does not read holds the guest back.
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET /big?n=1000000000 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			sent := func() float64 { return actors.metric("weft_streams_sent_bytes_total") }
			latticetest.Eventually(t, func() error {
				before := sent()
				time.Sleep(300 * time.Millisecond)
				if after := sent(); after != before || after == 0 {
					return errors.New("it still sends")
				}
				return nil
			})
			held := web.metric("weft_streams_held_bytes") + web.metric("weft_provider_streams_held_bytes")
			if held > 1<<20 {
				t.Errorf("%g bytes are held for a client that does not read", held)
			}
			_ = conn.Close()
			idle()
		})
	}
}

func sum256(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// A host that is killed in the middle of a stream: its client sees no clean end within seconds, and the provider on the
// other host has nothing left of it.
func TestHostKilledWithinAStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hosts := r.hosts([]string{"a", "b"})
	url := streamSite(r, hosts[0], hosts[1])
	awaitStreams(r, url)
	resp := open(t, "GET", url+"/sse?n=1000000&ms=20", nil)
	if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	hosts[0].kill()
	begin := time.Now()
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the stream has a clean end")
	}
	t.Logf("it broke %s after the host was killed", time.Since(begin).Round(100*time.Millisecond))
	hosts[1].counts(0, "weft_provider_streams_open")
	hosts[1].counts(0, "weft_provider_streams_held_bytes")
}

// A stream goes on while the actor is updated, among other requests, which the new version answers.
func TestStreamWhileTheActorIsUpdated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	h := r.host("a", "--inline", "httpserver")
	url := streamSite(r, h, h)
	resp := open(t, "GET", url+"/sse?n=100&ms=50", nil)
	if _, err := io.ReadFull(resp.Body, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	r.weft("actor", "update", "stream", component(t, "stream"), "--rev", "2000000000", "--cap", "wasmcloud:httpserver")
	want(t, "GET", url+"/", nil, 200, "hello\n")
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(rest), "data: 99\n\n") {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
}
