package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
)

// proxyWays are the ways between the actor and httpclient: on another host, beside it, and within its host. The
// httpserver is always on a host of its own.
var proxyWays = map[string]func(r *rig) (all []*host, client string){
	"NATS": func(r *rig) ([]*host, string) {
		return r.hosts([]string{"web", "actors", "client"}), "client"
	},
	"channel": func(r *rig) ([]*host, string) {
		return r.hosts([]string{"web", "actors"}), "actors"
	},
	"inline": func(r *rig) ([]*host, string) {
		return append(r.hosts([]string{"web"}), r.host("actors", "--inline", "httpclient")), "actors"
	},
}

// A component that passes requests on to a server: each piece of a body is passed on as it comes, either way, a large
// one needs little memory, and what breaks on one side breaks on the other.
func TestProxy(t *testing.T) {
	t.Parallel()
	for name, way := range proxyWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			hosts, client := way(r)
			p := newProxy(r, client)
			p.wordForWord()
			p.large(hosts)
			p.clientLeaves()
			p.originDies()
			for _, h := range hosts {
				h.counts(0, "weft_streams_open")
				h.counts(0, "weft_streams_held_bytes")
				h.counts(0, "weft_provider_streams_open")
				h.counts(0, "weft_provider_streams_held_bytes")
				h.counts(0, "weft_instances", `state="in_use"`)
			}
		})
	}
}

// proxy is the component, and where it is asked.
type proxy struct {
	t    *testing.T
	site string
}

// newProxy returns when all hosts have heard of each other that they take streams.
func newProxy(r *rig, client string) proxy {
	r.t.Helper()
	r.weft("provider", "start", "httpserver", "--host", "web")
	r.weft("provider", "start", "httpclient", "--host", client)
	r.weft("actor", "start", component(r.t, "proxy"), "--cap", "wasmcloud:httpserver", "--cap", "wasmcloud:httpclient",
		"--max", "8", "--host", "actors")
	r.weft("link", "put", "proxy", "httpclient", "allowed_hosts=127.0.0.1", "allowed_networks=127.0.0.0/8",
		"allowed_schemes=http", "allowed_ports=1-65535", "max_request_bytes=127M", "max_response_bytes=127M")
	p := proxy{r.t, r.web("proxy", "max_body_bytes=127M")}
	url := p.origin(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		_ = flush(w, fmt.Sprint("length ", req.ContentLength))
	})
	latticetest.Eventually(r.t, func() error {
		resp, err := http.Post(url, "", io.MultiReader(bytes.NewReader(make([]byte, 100<<10)))) // of no length
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || resp.ContentLength != -1 || string(text) != "length -1" {
			return fmt.Errorf("%d, %q of length %d, %v", resp.StatusCode, text, resp.ContentLength, err)
		}
		return nil
	})
	return p
}

// origin starts a server that the test may break, and returns the URL that leads to it by the proxy.
func (p proxy) origin(handle http.HandlerFunc) (url string) {
	s := httptest.NewServer(handle)
	p.t.Cleanup(func() {
		s.CloseClientConnections() // of a test that has failed
		s.Close()
	})
	return p.site + "/" + s.Listener.Addr().String() + "/"
}

// flush writes some of an answer and sees that it goes.
func flush(w http.ResponseWriter, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// word reads as many bytes as a word has. What it returns in the word's place tells why.
func word(from io.Reader, like string) string {
	b := make([]byte, len(like))
	if n, err := io.ReadFull(from, b); err != nil {
		return fmt.Sprintf("%q, %v", b[:n], err)
	}
	return string(b)
}

// told waits for what an origin says.
func (p proxy) told(said <-chan string, want string) {
	p.t.Helper()
	latticetest.Eventually(p.t, func() error {
		select {
		case got := <-said:
			if got != want {
				p.t.Fatalf("the origin says %q, want %q", got, want)
			}
			return nil
		default:
			return fmt.Errorf("the origin does not say %q", want)
		}
	})
}

// upload begins a request whose body the test writes.
func (p proxy) upload(url string, trailer http.Header) (body *io.PipeWriter, answer <-chan *http.Response) {
	p.t.Helper()
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", url, r)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Trailer = trailer
	came := make(chan *http.Response, 1)
	go func() {
		defer close(came)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			_ = r.CloseWithError(err)
			return
		}
		came <- resp
	}()
	return w, came
}

// answered waits for the head of an answer.
func (p proxy) answered(answer <-chan *http.Response) (resp *http.Response) {
	p.t.Helper()
	latticetest.Eventually(p.t, func() error {
		select {
		case resp = <-answer:
			return nil
		default:
			return errors.New("no answer")
		}
	})
	if resp == nil {
		p.t.Fatal("the request has failed")
	}
	p.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func (p proxy) write(to io.Writer, text string) {
	p.t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		p.t.Fatal(err)
	}
}

// wordForWord sends the last piece of a request when the first one of its answer is here, which the server writes when
// it has the first one of the request. It writes the last one when it has the whole request.
func (p proxy) wordForWord() {
	p.t.Helper()
	said := make(chan string, 2)
	url := p.origin(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		said <- word(req.Body, "first")
		_ = flush(w, "one")
		rest, err := io.ReadAll(req.Body)
		said <- fmt.Sprintf("%s, trailers %v, %v", rest, req.Trailer, err)
		w.Header().Set(http.TrailerPrefix+"Down", "42")
		_, _ = io.WriteString(w, "two")
	})
	trailer := http.Header{"Up": nil}
	body, answer := p.upload(url, trailer)
	p.write(body, "first")
	p.told(said, "first")
	resp := p.answered(answer)
	if got := word(resp.Body, "one"); got != "one" {
		p.t.Fatalf("the answer begins with %s", got)
	}
	trailer.Set("Up", "41")
	p.write(body, "last")
	_ = body.Close()
	p.told(said, "last, trailers map[Up:[41]], <nil>")
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != "two" || resp.Trailer.Get("Down") != "42" {
		p.t.Errorf("%q, trailers %v, %v", rest, resp.Trailer, err)
	}
}

// large sends 64 MiB, which the server sends back as they come.
func (p proxy) large(hosts []*host) {
	const size, most = 64 << 20, 56 << 20 // one body that is held would be more
	p.t.Helper()
	data := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{}), size) }
	sum := func(from io.Reader) string {
		h := sha256.New()
		n, err := io.Copy(h, from)
		return fmt.Sprintf("%d bytes, %x, %v", n, h.Sum(nil), err)
	}
	want := sum(data())
	url := p.origin(func(w http.ResponseWriter, req *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		sum := sum(io.TeeReader(req.Body, w))
		w.Header().Set(http.TrailerPrefix+"Sum", sum)
	})
	grown := memory(p.t, hosts)
	resp := open(p.t, "POST", url, data())
	if got := sum(resp.Body); got != want || resp.Trailer.Get("Sum") != want {
		p.t.Errorf("the client got %s, the server %s, want %s", got, resp.Trailer.Get("Sum"), want)
	}
	for what, n := range grown() {
		p.t.Logf("%s needed %.1f MiB more", what, float64(n)/(1<<20))
		if n > most {
			p.t.Errorf("%s needed %d MiB more, for bodies of %d MiB", what, n>>20, size>>20)
		}
	}
}

// memory begins to watch hosts and their providers. grown tells by how many bytes the resident memory of each has been
// larger since then, at most.
func memory(t *testing.T, hosts []*host) (grown func() map[string]int) {
	t.Helper()
	status := func(pid int, field string) (kib int) {
		t.Helper()
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(strings.TrimPrefix(grep(string(b), field), field), &kib); err != nil {
			t.Fatalf("%s of %d: %v", field, pid, err)
		}
		return kib
	}
	names, before := map[int]string{}, map[int]int{}
	for _, h := range hosts {
		names[h.pid()] = "host " + h.Name
		for _, p := range descendants(h.pid()) {
			names[p.pid] = p.what + " on " + h.Name
		}
	}
	for pid := range names {
		const peak = "5" // begins anew; man 5 proc_pid_clear_refs
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte(peak), 0); err != nil {
			t.Fatal(err)
		}
		before[pid] = status(pid, "VmRSS:")
	}
	return func() map[string]int {
		t.Helper()
		all := map[string]int{}
		for pid, name := range names {
			all[name] = (status(pid, "VmHWM:") - before[pid]) << 10
		}
		return all
	}
}

// clientLeaves ends an exchange in the middle of an answer, and in the middle of a request.
func (p proxy) clientLeaves() {
	p.t.Helper()
	said := make(chan string, 2)
	resp := open(p.t, "GET", p.origin(func(w http.ResponseWriter, req *http.Request) {
		for flush(w, strings.Repeat("more", 1000)) == nil {
		}
		said <- "nobody reads"
	}), nil)
	if got := word(resp.Body, "more"); got != "more" {
		p.t.Errorf("the answer begins with %s", got)
	}
	_ = resp.Body.Close()
	p.told(said, "nobody reads")

	body, answer := p.upload(p.origin(func(w http.ResponseWriter, req *http.Request) {
		said <- word(req.Body, "first")
		rest, err := io.ReadAll(req.Body)
		said <- fmt.Sprintf("%q, broken: %v", rest, err != nil)
	}), nil)
	p.write(body, "first")
	p.told(said, "first")
	_ = body.CloseWithError(errors.New("the client leaves"))
	p.told(said, `"", broken: true`)
	if resp := <-answer; resp != nil {
		p.t.Errorf("an answer: %d", resp.StatusCode)
	}
}

// originDies breaks a connection in the middle of an answer, and in the middle of a request.
func (p proxy) originDies() {
	p.t.Helper()
	die := make(chan struct{})
	resp := open(p.t, "GET", p.origin(func(w http.ResponseWriter, req *http.Request) {
		_ = flush(w, "some")
		select {
		case <-die:
		case <-req.Context().Done():
		}
		panic(http.ErrAbortHandler)
	}), nil)
	if got := word(resp.Body, "some"); got != "some" {
		p.t.Errorf("the answer begins with %s", got)
	}
	close(die)
	if rest, err := io.ReadAll(resp.Body); err == nil || len(rest) > 0 {
		p.t.Errorf("a clean end after %q", rest)
	}

	said := make(chan string, 1)
	body, answer := p.upload(p.origin(func(w http.ResponseWriter, req *http.Request) {
		said <- word(req.Body, "first")
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil { // a panic would wait for the rest
			_ = c.Close()
		}
	}), nil)
	p.write(body, "first")
	p.told(said, "first")
	resp = p.answered(answer)
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 502 || string(text) != "ErrorCode::ConnectionTerminated\n" {
		p.t.Errorf("%d, %q, %v", resp.StatusCode, text, err)
	}
	_ = body.Close()
}
