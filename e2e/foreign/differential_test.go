//go:build foreign

package foreign

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// asked is one request, as it goes over the wire, and what differs for a known reason.
type asked struct {
	name string
	text string // CR LF for each line end of the head
	// differs has for each other server why its answer is another one. The test fails where it is not, too: then the
	// reason is gone.
	differs map[string]string
}

// head makes a request without a body, or with what the lines say.
func head(name, method, target string, lines ...string) asked {
	text := method + " " + target + " HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"
	for _, l := range lines {
		text += l + "\r\n"
	}
	return asked{name: name, text: text + "\r\n"}
}

func (a asked) with(body string) asked {
	a.text += body
	return a
}

func (a asked) but(server, why string) asked {
	a.differs = maps.Clone(a.differs)
	if a.differs == nil {
		a.differs = map[string]string{}
	}
	a.differs[server] = why
	return a
}

func requests() []asked {
	body := func(name, method, target, body string, lines ...string) asked {
		return head(name, method, target, append(lines, "Content-Length: "+strconv.Itoa(len(body)))...).with(body)
	}
	large := strings.Repeat("0123456789abcdef", 1<<16)
	return []asked{
		head("GET", "GET", "/see"),
		head("the root", "GET", "/"),
		head("HEAD", "HEAD", "/see"),
		head("OPTIONS", "OPTIONS", "/see"),
		head("DELETE", "DELETE", "/see"),
		head("a method of its own", "BREW", "/see").
			but("jco", "Node takes no methods that it does not know"),
		head("a method in small letters", "get", "/see").
			but("jco", "Node takes no methods that it does not know").
			but("wasmtime", "the dialect has methods in capitals"),
		head("escapes in the path", "GET", "/%41%2f%c3%a4%20/x"),
		head("dots and doubled slashes in the path", "GET", "/a//b/../c/./"),
		head("signs in the path", "GET", "/a+b;c=1,d@e:f!$&'()*"),
		head("a query", "GET", "/see?b=c&d=%20&d=e+f"),
		head("a query that is empty", "GET", "/see?").
			but("wasmtime", "the dialect has path and query apart, and no question mark").
			but("jco", "the dialect has path and query apart, and no question mark"),
		head("question marks in the query", "GET", "/see?a?b=/c"),
		head("an absolute target", "GET", "http://other.example:81/see?a=b").
			but("jco", "it shows the whole target as the path"),
		head("a target of 4 KiB", "GET", "/see/"+strings.Repeat("x", 4096)),
		head("a field that comes twice", "GET", "/see", "X-A: 1", "X-B: 0", "x-a: 2"),
		head("letters of a field's name", "GET", "/see", "x-LOWER-Upper: V"),
		head("an empty field", "GET", "/see", "X-Empty:"),
		head("a field of other than ASCII", "GET", "/see", "X-Latin: \xe4\xff").
			but("wasmtime", "the dialect has fields as UTF-8: it takes their bytes for Latin 1"),
		head("two cookies", "GET", "/see", "Cookie: a=b", "Cookie: c=d"),
		head("a field of 4 KiB", "GET", "/see", "X-Long: "+strings.Repeat("v", 4096)),
		head("a range", "GET", "/see", "Range: bytes=0-1", "Accept-Encoding: gzip", "If-None-Match: *"),
		body("POST with a length", "POST", "/see", "some body\x00\xff"),
		body("POST with an empty body", "POST", "/see", ""),
		head("POST without a length", "POST", "/see"),
		body("PUT", "PUT", "/see", "x"),
		body("GET with a body", "GET", "/see", "x"),
		body("a mebibyte", "POST", "/see", large),
		head("chunks", "POST", "/see", "Transfer-Encoding: chunked").with("4\r\nsome\r\n5\r\n body\r\n0\r\n\r\n").
			but("jco", "it shows fields of the connection"),
		head("chunks, none", "POST", "/see", "Transfer-Encoding: chunked").with("0\r\n\r\n").
			but("jco", "it shows fields of the connection"),
		head("chunks and trailers", "POST", "/see", "Transfer-Encoding: chunked", "Trailer: X-Sum").
			with("4\r\nsome\r\n0\r\nX-Sum: 42\r\n\r\n").
			but("wasmtime", "it shows the field Trailer").
			but("jco", "it shows the field Trailer, and no trailers"),
		body("Expect", "POST", "/see", "some", "Expect: 100-continue"),
		body("a body that nobody reads", "POST", "/drop", large),
		head("201", "GET", "/status/201"),
		head("204", "GET", "/bodiless/204"),
		head("204 with a body", "GET", "/status/204"),
		head("304", "GET", "/bodiless/304"),
		head("404", "GET", "/status/404"),
		head("599", "GET", "/status/599"),
		head("a status beyond 599", "GET", "/status/999").
			but("wasmtime", "it takes a status that HTTP does not have; weft's guest is told").
			but("jco", "it takes a status that HTTP does not have; weft's guest is told"),
		head("a status below 200", "GET", "/status/150").
			but("wasmtime", "it takes an interim status for the answer; weft's guest is told").
			but("jco", "it takes an interim status for the answer; weft's guest is told"),
		head("an answer without a body", "GET", "/bodiless/200"),
		head("a field twice in the answer", "GET", "/fields/Set-Cookie/a=b").
			but("jco", "it sends the last one alone"),
		head("letters of a field's name in the answer", "GET", "/fields/x-UPPER/v").
			but("jco", "it sends the last one alone"),
		head("a field of other than ASCII in the answer", "GET", "/raw").
			but("jco", "its process ends with an error that nothing catches"),
		head("a field of the answer that is the connection's", "GET", "/fields/Connection/close").
			but("jco", "its process ends with an error that nothing catches"),
		head("a field of 4 KiB in the answer", "GET", "/long/4096"),
		head("an answer with a length", "GET", "/length/9/9"),
		head("HEAD of an answer with a length", "HEAD", "/length/9/9"),
		head("an answer that is too short", "GET", "/length/9/5").
			but("wasmtime", "it has sent the head, and cuts the connection").
			but("jco", "it has sent the head"),
		head("an answer that is too long", "GET", "/length/5/9").
			but("wasmtime", "it has sent the head, and keeps what is beyond the length").
			but("jco", "it has sent the head"),
		head("an answer of a mebibyte", "GET", "/large/1048576"),
		head("trailers of the answer", "GET", "/trailers", "TE: trailers").
			but("wasmtime", "it sends none").
			but("jco", "it sends none, and cuts the connection"),
		head("a trap", "GET", "/trap").
			but("jco", "its process ends with an error that nothing catches"),
		head("a trap after the head", "GET", "/later").
			but("wasmtime", "it ends the answer as if it were whole"),
		head("no answer", "GET", "/silent").
			but("jco", "its process ends with an error that nothing catches"),
		head("two answers", "GET", "/twice").
			but("wasmtime", "it has sent the head").
			but("jco", "it has sent the head"),
		head("a body that is not finished", "GET", "/unfinished").
			but("wasmtime", "it has sent the head, and cuts the connection").
			but("jco", "it has sent the head"),
		head("an error: a name that is not found", "GET", "/error/dns").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: refused", "GET", "/error/refused").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: denied", "GET", "/error/denied").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: a body that is too large", "GET", "/error/large").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: time", "GET", "/error/timeout").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: configuration", "GET", "/error/configuration").
			but("jco", "its process ends with an error that nothing catches"),
		head("an error: internal", "GET", "/error/internal").
			but("jco", "its process ends with an error that nothing catches"),
	}
}

// weftsOwn are the fields that weft's httpserver adds to a request.
var weftsOwn = regexp.MustCompile(`header (host|traceparent|x-forwarded-\w+): .*\n`)

// ownPage is what a server says itself, where its component has not answered.
var ownPage = regexp.MustCompile(`^(\{"code":|<!doctype html>|$)`)

// answer is what a server answers, as text: status, header without what each server says of itself, body, trailers, and
// whether the end is clean.
func (a asked) answer(address string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make(chan struct{})
	go func() { // a server may answer before it has read all
		defer close(sent)
		_, _ = io.WriteString(conn, a.text)
	}()
	defer func() { <-sent }()
	defer conn.Close()
	method, _, _ := strings.Cut(a.text, " ")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	for err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(in, &http.Request{Method: method})
	}
	if err != nil {
		return "no answer"
	}
	body, err := io.ReadAll(resp.Body)
	var s strings.Builder
	fmt.Fprintln(&s, resp.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		switch name {
		case "Date", "Connection", "Keep-Alive": // of the connection
		case "X-Trace-Id": // weft's own
		case "Content-Length": // a server may know it or not; what comes is compared
		default:
			fmt.Fprintf(&s, "%s: %q\n", name, resp.Header[name])
		}
	}
	if resp.StatusCode >= 500 && ownPage.Match(body) {
		return strconv.Itoa(resp.StatusCode)
	}
	body = weftsOwn.ReplaceAll(body, nil)
	if len(body) > 2000 {
		body = fmt.Appendf(nil, "%d bytes, the first %q", len(body), body[:10])
	}
	s.Write(body)
	for name, values := range resp.Trailer {
		fmt.Fprintf(&s, "trailer %s: %q\n", name, values)
	}
	if err != nil {
		fmt.Fprintln(&s, "broken")
	}
	return s.String()
}

// peer is another server of a component.
type peer struct {
	r       *rig
	name    string
	address string
	command []string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// serve waits until the server listens. One that has died is started again.
func (p *peer) serve() {
	p.r.t.Helper()
	latticetest.Eventually(p.r.t, func() error {
		if p.cmd == nil {
			p.start()
		}
		select {
		case <-p.ended:
			p.start()
		default:
		}
		c, err := net.Dial("tcp", p.address)
		if err == nil {
			c.Close()
		}
		return err
	})
}

func (p *peer) start() {
	p.r.t.Helper()
	p.cmd, p.ended = exec.Command(p.command[0], p.command[1:]...), make(chan struct{})
	p.cmd.Dir = p.r.dir
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.r.t.Fatalf("%s: %v; make foreign installs it", p.name, err)
	}
	cmd, ended := p.cmd, p.ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	p.r.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
}

// A component is served by weft as `wasmtime serve` and `jco serve` do it: status, header fields, body, trailers and
// the end of each answer, but for what is listed above with its reason.
func TestServesAsOthersDo(t *testing.T) {
	r := newRig(t)
	mirror := filepath.Join(r.cargo("mirror", "wasm32-wasip2"), "mirror.wasm")
	address := func() string { return "127.0.0.1:" + strconv.Itoa(freePort(t)) }
	ours := address()
	r.cli("provider", "start", "httpserver")
	r.cli("actor", "start", mirror, "--max", "4")
	r.cli("link", "put", "mirror", "httpserver", "address="+ours)
	wasmtime, jco := &peer{r: r, name: "wasmtime", address: address()}, &peer{r: r, name: "jco", address: address()}
	wasmtime.command = []string{"wasmtime", "serve", "-Scli", "--addr", wasmtime.address, mirror}
	_, port, _ := net.SplitHostPort(jco.address)
	jco.command = []string{"jco", "serve", "--port", port, "--isolate-worker-pool-size", "2", mirror}
	for _, a := range requests() {
		weft := a.answer(ours)
		for _, p := range []*peer{wasmtime, jco} {
			p.serve()
			theirs, why := a.answer(p.address), a.differs[p.name]
			switch {
			case weft == theirs && why != "":
				t.Errorf("%s: %s answers as weft does, although %s", a.name, p.name, why)
			case weft != theirs && why == "":
				t.Errorf("%s\n--- weft\n%.300s\n--- %s\n%.300s", a.name, weft, p.name, theirs)
			case weft != theirs:
				t.Logf("%s: %s: %s", a.name, p.name, why)
			}
		}
	}
}
