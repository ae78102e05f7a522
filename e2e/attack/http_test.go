package attack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/control"
	"github.com/weftlattice/weft/lattice/event"
	"github.com/weftlattice/weft/lattice/signing"
	"github.com/weftlattice/weft/lattice/wire"
)

// page is an actor that answers every request with "fine".
func page() []byte {
	response := (&contract.Response{StatusCode: 200, Body: []byte("fine")}).Encode()
	m := newModule()
	m.types = append(m.types, []byte{0x60, 2, i32, i32, 0})
	m.imports = [][]byte{join(name("wasmbus"), name("__guest_response"), []byte{0, 2})}
	m.data = [][]byte{join([]byte{0, opConst, 0, opEnd}, sized(response))}
	m.bodies[0] = sized(join([]byte{0, opConst, 0, opConst}, sleb(len(response)), []byte{opCall, 0, opConst, 1, opEnd}))
	return m.bytes()
}

// site serves an actor that answers "fine" by httpserver, and returns its address and a function that asks it as a good
// client does.
func (r *rig) site(name string, values map[string]string) (address string, fine func() error) {
	t := r.t
	t.Helper()
	ref, id := r.module(name, page(), contract.ID)
	if code, text := r.start(ref); code != 0 {
		t.Fatal(text)
	}
	provider := lattice.ProviderID(signing.Derive(signing.KindProvider, "weft builtin httpserver").Public())
	if err := r.ctl.StartProvider(t.Context(), control.StartProviderRequest{ProviderRef: "httpserver", HostID: r.ID,
		LinkName: lattice.DefaultLink}); err != nil {
		t.Fatal(err)
	}
	r.await(func(d event.Data) bool { _, ok := d.(event.ProviderStarted); return ok })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	all := map[string]string{"address": address}
	maps.Copy(all, values)
	if err := r.ctl.PutLink(t.Context(), wire.LinkDefinition{ActorID: id, ProviderID: provider, LinkName: "default",
		ContractID: contract.ID, Values: all}); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: deadline}
	t.Cleanup(client.CloseIdleConnections)
	fine = func() error {
		resp, err := client.Post("http://"+address+"/", "text/plain", strings.NewReader("hello"))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || string(b) != "fine" {
			return fmt.Errorf("status %d, %q, %v", resp.StatusCode, b, err)
		}
		return nil
	}
	latticetest.Eventually(t, fine)
	return address, fine
}

// TestClientsThatHold: clients that neither send nor fetch, or waste frames of HTTP/2, hold nothing that others need.
// They come from other addresses than the good client, which is served all the while. But for write_timeout the
// settings are the defaults.
func TestClientsThatHold(t *testing.T) {
	r := newRig(t)
	address, fine := r.site("held", map[string]string{"write_timeout": "3s"})
	served := func(t *testing.T) {
		t.Helper()
		for range 20 {
			latticetest.Eventually(t, fine) // whole requests of others may make the actor busy for a moment
		}
	}
	// Each attack is a client of its own, since what the last one has held is given back only in time.
	client := net.IPv4(127, 0, 0, 1).To4()
	attack := func(name string, attack func(t *testing.T)) {
		client[3]++
		r.attack(name, attack)
	}
	from := func() *net.Dialer { return &net.Dialer{LocalAddr: &net.TCPAddr{IP: client}, Timeout: deadline} }
	dial := func(t *testing.T) net.Conn {
		c, err := from().Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for what, text := range map[string]string{
		"a small body":             "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"a body of 9 MB":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n",
		"a body of unknown length": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"the rest of a header":     "GET / HTTP/1.1\r\nHost: x\r\nX: ", "anything": "",
	} {
		attack("1100 connections that do not send "+what, func(t *testing.T) {
			for range 1100 {
				_, _ = io.WriteString(dial(t), text) // it may be cut off
			}
			served(t)
		})
	}
	attack("3000 connections of one client", func(t *testing.T) {
		for range 3000 {
			c, err := from().Dial("tcp", address)
			if err == nil { // else it has its share
				t.Cleanup(func() { c.Close() })
			}
		}
		served(t)
	})
	attack("500 connections that send 1000 requests and fetch no answer", func(t *testing.T) {
		text := strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
		for range 500 {
			c := dial(t)
			if err := errors.Join(c.(*net.TCPConn).SetReadBuffer(4<<10),
				c.SetWriteDeadline(time.Now().Add(10*time.Millisecond))); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(c, text) // it may not be taken
		}
		served(t)
	})

	two := func(t *testing.T, window uint32) *latticetest.HTTP2 { return latticetest.NewHTTP2(t, dial(t), window) }
	attack("20 HTTP/2 connections of 100 requests whose bodies do not come", func(t *testing.T) {
		for range 20 {
			c := two(t, 65535)
			for range 100 {
				if _, err := c.Request("POST", "/", false); err != nil {
					t.Fatal(err)
				}
			}
		}
		served(t)
	})
	attack("20 HTTP/2 connections of 100 requests with a window of nothing", func(t *testing.T) {
		for range 20 {
			c := two(t, 0)
			for range 100 {
				if _, err := c.Request("GET", "/", true); err != nil {
					t.Fatal(err)
				}
			}
		}
		served(t)
	})
	attack("5 HTTP/2 connections that reset 2000 requests each at once", func(t *testing.T) {
		for range 5 {
			c := two(t, 65535)
			for range 2000 {
				stream, err := c.Request("GET", "/", true)
				if err == nil {
					err = c.Send(func(f *http2.Framer) error { return f.WriteRSTStream(stream, http2.ErrCodeCancel) })
				}
				if err != nil { // cut off
					break
				}
			}
		}
		served(t)
	})
	// flood sends frames until it is cut off, or the other end takes no more for a while, and returns how many went.
	flood := func(t *testing.T, step func(f *http2.Framer, n int) error) (sent int, err error) {
		t.Helper()
		c := dial(t)
		f := http2.NewFramer(c, nil)
		if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		for sent = 0; sent < 300_000 && err == nil; sent++ {
			if sent%1000 == 0 {
				_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
			}
			err = step(f, sent)
		}
		t.Logf("%d frames sent, then %v", sent, err)
		return sent, err
	}
	attack("an HTTP/2 header that goes on for ever", func(t *testing.T) {
		more := bytes.Repeat([]byte("\x00\x01a\x01b"), 1000) // a header, literally
		_, err := flood(t, func(f *http2.Framer, n int) error {
			if n == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: more})
			}
			return f.WriteContinuation(1, false, more)
		})
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("not cut off: %v", err)
		}
		served(t)
	})
	for what, frame := range map[string]func(f *http2.Framer, n int) error{
		"pings":    func(f *http2.Framer, _ int) error { return f.WritePing(false, [8]byte{}) },
		"settings": func(f *http2.Framer, _ int) error { return f.WriteSettings() },
		"requests that are reset by the server": func(f *http2.Framer, n int) error { // a header name in upper case
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*n + 1), BlockFragment: []byte{0x82, 0x84,
				0x86, 0x41, 1, 'x', 0, 1, 'A', 1, 'b'}, EndStream: true, EndHeaders: true})
		},
	} {
		attack("HTTP/2 "+what+" without end, whose answers are not read", func(t *testing.T) {
			_, _ = flood(t, frame)
			served(t)
		})
	}
}

// Slow, many, huge and ambiguous HTTP requests: each is answered with its status or cut off, and others are served
// meanwhile.
func TestHostileHTTP(t *testing.T) {
	r := newRig(t)
	address, fine := r.site("page", map[string]string{"read_timeout": "3s", "idle_timeout": "3s"})

	dial := func(t *testing.T, text string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, text) // it may be cut off while it sends
		return c
	}

	for what, text := range map[string]string{"header": "GET / HTTP/1.1\r\nHost: x\r\n",
		"body":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"chunked body": "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n"} {
		r.attack("300 connections that dribble a "+what, func(t *testing.T) {
			var all sync.WaitGroup
			cut := make(chan time.Duration, 300)
			for range cap(cut) {
				c := dial(t, text)
				all.Go(func() { // a byte now and then, until it is cut off
					from := time.Now()
					for c.SetReadDeadline(time.Now().Add(100*time.Millisecond)) == nil {
						if _, err := c.Read(make([]byte, 1024)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
							cut <- time.Since(from)
							return
						}
						if _, err := io.WriteString(c, "x"); err != nil {
							cut <- time.Since(from)
							return
						}
						if time.Since(from) > patience {
							return
						}
					}
				})
			}
			for range 5 {
				if err := fine(); err != nil {
					t.Errorf("meanwhile: %v", err)
				}
			}
			all.Wait()
			close(cut)
			n, longest := 0, time.Duration(0)
			for d := range cut {
				n, longest = n+1, max(longest, d)
			}
			t.Logf("all cut off after %v at most", longest.Round(time.Millisecond))
			if n != cap(cut) {
				t.Errorf("%d of %d were cut off", n, cap(cut))
			}
		})
	}

	status := func(t *testing.T, text string) int {
		t.Helper()
		c := dial(t, text)
		defer c.Close()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0 // cut off without an answer
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	many := strings.Repeat("X-Filler: 0123456789abcdef\r\n", 100_000)
	for _, a := range []struct {
		name, text string
		want       int
	}{
		{"a header of 1 MiB", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", 431},
		{"100000 headers", "GET / HTTP/1.1\r\nHost: x\r\n" + many + "\r\n", 431},
		{"a request line of 1 MiB", "GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
		{"a body of 8 EiB", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n", 413},
		{"a chunk of 8 EiB", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" +
			strings.Repeat("a", 20<<20), 413},
		{"a chunk length of 17 digits",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", 400},
		{"a negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
		{"a length with a sign", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\nabcd", 400},
		{"an unknown transfer encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
			501},
		{"two transfer encodings", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: " +
			"identity\r\n\r\n0\r\n\r\n", 501},
		{"a space before the colon", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		{"a header that begins with a space", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"a null byte", "GET / HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n", 400},
		{"an unknown version", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
		{"an expectation", "POST / HTTP/1.1\r\nHost: x\r\nExpect: everything\r\nContent-Length: 1\r\n\r\n", 417},
	} {
		r.attack(a.name, func(t *testing.T) {
			if got := status(t, a.text); got != a.want {
				t.Errorf("status %d, want %d", got, a.want)
			}
			if err := fine(); err != nil {
				t.Error(err)
			}
		})
	}

	// the chunks count, and nothing that stands behind them is a request
	r.attack("a length and chunks", func(t *testing.T) {
		c := dial(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"+
			"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n")
		in := bufio.NewReader(c)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("status %d, want 200", resp.StatusCode)
		}
		if more, err := io.ReadAll(in); len(more) > 0 {
			t.Errorf("a second answer: %q, %v", more, err)
		}
	})

	r.attack("1000 pipelined requests", func(t *testing.T) {
		c := dial(t, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1000))
		in := bufio.NewReader(c)
		for n := range 1000 {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("answer %d: %v", n, err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
				t.Fatalf("answer %d: %d, %v", n, resp.StatusCode, err)
			}
			resp.Body.Close()
		}
	})

	r.attack("2000 connections that say nothing", func(t *testing.T) {
		for range 2000 {
			dial(t, "")
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for n := 0; n < 10 && ctx.Err() == nil; n++ {
			if err := fine(); err != nil {
				t.Error(err)
			}
		}
	})
}
