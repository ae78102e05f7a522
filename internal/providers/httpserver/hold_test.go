package httpserver

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/provider/providertest"
)

func TestLedger(t *testing.T) {
	a, b, c := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	var dropped []string
	l := newLedger(100, 50)
	take := func(name string, client netip.Addr, amount int64, want refusal) *hold {
		t.Helper()
		h := &hold{client: client, amount: amount, drop: func() { dropped = append(dropped, name) }}
		if got := l.take(h); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
		return h
	}
	a1 := take("a1", a, 60, granted) // the first may be larger than the share
	take("a2", a, 1, overShare)
	a1.release()
	a1.release() // again
	take("a3", a, 25, granted)
	take("a4", a, 25, granted)
	take("a5", a, 1, overShare)
	b1 := take("b1", b, 50, granted)
	take("exempt, without room", netip.Addr{}, 60, overLimit) // no client holds more than that
	take("c1", c, 10, granted)                                // one of the clients that hold most gives way
	if len(dropped) != 1 || dropped[0] != "a3" && dropped[0] != "a4" && dropped[0] != "b1" {
		t.Errorf("dropped %q", dropped)
	}
	b1.release()
	if dropped[0] == "b1" && len(dropped) != 1 {
		t.Error("dropped after its release")
	}
	g := take("c2", c, 5, granted)
	if l.grow(g, 10) != granted || l.grow(g, 40) != overShare {
		t.Error("growing beyond the share")
	}
	if g.release(); l.grow(g, 1) == granted {
		t.Error("what is released grows")
	}
	sum := int64(0)
	for _, s := range l.holders {
		for h := range s.holds {
			sum += h.amount
		}
	}
	if sum != l.used {
		t.Errorf("%d held, %d noted", sum, l.used)
	}
}

// dialFrom connects from another address of this machine, by TLS and for HTTP/2 where that is wanted.
func (w *ways) dialFrom(from, way string) net.Conn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	address := w.plain
	if way == "TLS" || way == "HTTP/2" {
		address = w.tls
	}
	c, err := d.Dial("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	if address == w.tls {
		conf := w.trust.Clone()
		conf.ServerName = "127.0.0.1"
		if way == "HTTP/2" {
			conf.NextProtos = []string{"h2"}
		}
		over := tls.Client(c, conf)
		if err := over.Handshake(); err != nil {
			w.t.Fatal(err)
		}
		c = over
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(providertest.Patience)); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// status reads the status of an answer; 0 when the connection has ended instead.
func status(c net.Conn) int {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// uploads sends the beginning of requests whose bodies do not come, each on a connection of its own, or in HTTP/2 on
// one.
func (w *ways) uploads(from, way, length string, n int) {
	w.t.Helper()
	if way == "HTTP/2" {
		h := latticetest.NewHTTP2(w.t, w.dialFrom(from, way), 65535)
		header := []string{"content-length", length}
		if length == "" {
			header = nil
		}
		for range n {
			if _, err := h.Request("POST", "/", false, header...); err != nil {
				w.t.Fatal(err)
			}
		}
		return
	}
	text := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\nx"
	if length == "" {
		text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
	}
	for range n {
		if _, err := io.WriteString(w.dialFrom(from, way), text); err != nil {
			w.t.Fatal(err)
		}
	}
}

// waits is nil when so much is held by a client for what waits.
func (h *handler) waits(client string, at least) error {
	h.waiting.mu.Lock()
	defer h.waiting.mu.Unlock()
	n, used := 0, int64(0)
	if s := h.waiting.holders[netip.MustParseAddr(client)]; s != nil {
		n, used = len(s.holds), s.used
	}
	if n < int(at) {
		return fmt.Errorf("%d requests with %d bytes wait of %s", n, used, client)
	}
	return nil
}

type least int

// TestWhoSendsNothingHoldsNoPlace: bodies that do not come take none of the places of a link, whatever they say of
// their length.
func TestWhoSendsNothingHoldsNoPlace(t *testing.T) {
	for _, way := range []string{"plain", "TLS", "HTTP/2"} {
		for name, length := range map[string]string{"small": "10", "large": "500000", "passed on": "2000000",
			"unknown": ""} {
			t.Run(way+" "+name, func(t *testing.T) {
				w := openWays(t, map[string]string{"max_in_flight": "2"})
				w.uploads("127.0.0.2", way, length, 20)
				h := w.handler
				if way != "plain" {
					h = w.overTLS
				}
				latticetest.Eventually(t, func() error { return h.waits("127.0.0.2", 20) })
				for _, way := range wayNames {
					if resp, body := w.do(way,
						"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"); resp.StatusCode != 200 {
						t.Errorf("meanwhile by %s: %d %s", way, resp.StatusCode, body)
					}
				}
			})
		}
	}
}

// TestPlaceIsTakenWhenABodyIsWhole: a body that is passed on takes a place with its last byte, and is turned away if
// there is none.
func TestPlaceIsTakenWhenABodyIsWhole(t *testing.T) {
	w := openWays(t, map[string]string{"max_in_flight": "1"})
	c := w.dial("plain")
	body := strings.Repeat("x", 2_000_000)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"+
		body[1:]); err != nil {
		t.Fatal(err)
	}
	busy := w.dial("plain")
	if _, err := io.WriteString(busy, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-w.enter
	if _, err := io.WriteString(c, "x"); err != nil {
		t.Fatal(err)
	}
	if got := status(c); got != 503 {
		t.Errorf("status %d, want 503: the only place is taken", got)
	}
	w.leave <- struct{}{}
	if got := status(busy); got != 200 {
		t.Errorf("the one that has the place: status %d", got)
	}
	if resp, _ := w.do("plain", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"+
		body); resp.StatusCode != 200 {
		t.Errorf("afterwards status %d", resp.StatusCode)
	}
}

// TestClientsShare: a client that holds its share is told so, others are served. When all is taken, the client that
// holds most gives way.
func TestClientsShare(t *testing.T) {
	for _, way := range []string{"plain", "TLS"} {
		t.Run(way, func(t *testing.T) {
			w := openWays(t, map[string]string{"max_waiting_bytes": "1M", "client_share": "50"})
			h := w.handler
			if way == "TLS" {
				h = w.overTLS
			}
			const each = 200_000 // two of them are a share of 512 KiB
			w.uploads("127.0.0.2", way, fmt.Sprint(each), 2)
			latticetest.Eventually(t, func() error { return h.waits("127.0.0.2", 2) })
			over := w.dialFrom("127.0.0.2", way)
			if _, err := io.WriteString(over,
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nx"); err != nil {
				t.Fatal(err)
			}
			if got := status(over); got != 429 {
				t.Errorf("more than its share: status %d, want 429", got)
			}
			w.uploads("127.0.0.3", way, fmt.Sprint(each), 2)
			latticetest.Eventually(t, func() error { return h.waits("127.0.0.3", 2) })
			c := w.dialFrom("127.0.0.4", way) // all is taken but 150 KB
			if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"+
				strings.Repeat("x", each)); err != nil {
				t.Fatal(err)
			}
			if got := status(c); got != 200 {
				t.Errorf("a third client: status %d, want 200", got)
			}
			latticetest.Eventually(t, func() error {
				if h.waits("127.0.0.2", 2) == nil && h.waits("127.0.0.3", 2) == nil {
					return errors.New("nobody gave way")
				}
				return nil
			})
		})
	}
}

// TestConnectionsAreShared: connections of one client are bounded, and those of the client that has most make room for
// others.
func TestConnectionsAreShared(t *testing.T) {
	w := openWays(t, map[string]string{"max_connections": "8", "client_share": "50"})
	lost := make(chan string, 100)
	open := func(from string, n int) {
		for range n {
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", w.plain)
			if err != nil { // reset at once
				lost <- from
				continue
			}
			t.Cleanup(func() { c.Close() })
			go func() { // ends with the connection
				_, _ = io.ReadAll(c)
				lost <- from
			}()
		}
	}
	open("127.0.0.2", 5)
	if from := <-lost; from != "127.0.0.2" {
		t.Errorf("%s lost a connection", from)
	}
	open("127.0.0.3", 4)
	c := w.dialFrom("127.0.0.4", "plain")
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got := status(c); got != 200 {
		t.Errorf("a third client: status %d, want 200", got)
	}
	if from := <-lost; from == "127.0.0.4" {
		t.Errorf("%s lost a connection", from)
	}

	w = openWays(t, map[string]string{"max_connections": "8", "client_share": "25", "trusted_proxies": "127.0.0.2"})
	for n := range 8 { // a proxy is not held to a client's share
		c := w.dialFrom("127.0.0.2", "plain")
		if _, err := io.WriteString(c, fmt.Sprintf("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.%d\r\n\r\n",
			n)); err != nil {
			t.Fatal(err)
		}
		if got := status(c); got != 200 {
			t.Errorf("connection %d of a proxy: status %d", n, got)
		}
	}
}

// TestClientsOfAProxy: what the clients of a trusted proxy hold is counted to each of them.
func TestClientsOfAProxy(t *testing.T) {
	w := openWays(t, map[string]string{"max_waiting_bytes": "1M", "client_share": "25", "trusted_proxies": "127.0.0.2"})
	for n, want := range []int{0, 429, 200} { // the first takes the share of its client; 0: it waits
		c := w.dialFrom("127.0.0.2", "plain")
		client := "192.0.2.1"
		body := "x"
		if n == 2 {
			client, body = "192.0.2.2", strings.Repeat("x", 200_000)
		}
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: "+client+
			"\r\nContent-Length: 200000\r\n\r\n"+body); err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			latticetest.Eventually(t, func() error { return w.handler.waits("192.0.2.1", 1) })
		} else if got := status(c); got != want {
			t.Errorf("request %d: status %d, want %d", n, got, want)
		}
	}
}

// TestWhoFetchesNothingHoldsNoPlace: answers that are not taken hold no places of the link, and end after their time.
func TestWhoFetchesNothingHoldsNoPlace(t *testing.T) {
	long.Test(t, "waits for what takes its time")
	for _, way := range []string{"plain", "net/http", "TLS", "HTTP/2"} {
		t.Run(way, func(t *testing.T) {
			w := openWays(t, map[string]string{"max_in_flight": "1", "write_timeout": "3s"})
			h := w.handler
			if way == "TLS" || way == "HTTP/2" {
				h = w.overTLS
			}
			ended := func() error { return nil }
			if way == "HTTP/2" {
				c := latticetest.NewHTTP2(t, w.dialFrom("127.0.0.2", way), 0) // a window of nothing
				var streams []uint32
				for range 10 {
					stream, err := c.Request("GET", "/", true)
					if err != nil {
						t.Fatal(err)
					}
					streams = append(streams, stream)
					latticetest.Eventually(t, func() error { // one place: one after another
						if status, _, _ := c.Answer(stream); status != 200 {
							return fmt.Errorf("status %d", status)
						}
						return nil
					})
				}
				ended = func() error {
					for _, s := range streams {
						if _, _, ended := c.Answer(s); !ended {
							return fmt.Errorf("stream %d goes on", s)
						}
					}
					return nil
				}
			} else {
				c := w.dialFrom("127.0.0.2", way)
				if way == "net/http" {
					if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil ||
						status(c) != 200 {
						t.Fatal(err)
					}
				}
				// more than sockets hold
				if _, err := io.WriteString(c, "GET /huge HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				latticetest.Eventually(t, func() error { return h.waits("127.0.0.2", 1) })
				ended = func() error {
					if n, _ := io.Copy(io.Discard, c); n >= 8<<20 {
						return errors.New("all of it came")
					}
					return nil
				}
			}
			if resp, body := w.do("plain", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != 200 {
				t.Errorf("meanwhile: %d %s", resp.StatusCode, body)
			}
			latticetest.Eventually(t, func() error {
				if h.waits("127.0.0.2", 1) == nil {
					return errors.New("answers wait on")
				}
				return ended()
			})
		})
	}
}

// TestAnswersAreShared: a client whose answers wait gets no more than its share of the room.
func TestAnswersAreShared(t *testing.T) {
	w := openWays(t, map[string]string{"max_waiting_bytes": "1M", "client_share": "25"})
	c := latticetest.NewHTTP2(t, w.dialFrom("127.0.0.2", "HTTP/2"), 0)
	for range 30 { // 16 KiB each, of 256
		if _, err := c.Request("GET", "/", true); err != nil {
			t.Fatal(err)
		}
	}
	latticetest.Eventually(t, func() error {
		if got := c.Statuses(); got[200] != 15 || got[429] != 15 {
			return fmt.Errorf("answers by status: %v", got)
		}
		return nil
	})
	if resp, _ := w.do("HTTP/2", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("another client: status %d", resp.StatusCode)
	}
	if err := c.Send(func(f *http2.Framer) error {
		return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	}); err != nil {
		t.Fatal(err)
	}
	latticetest.Eventually(t, func() error {
		if w.overTLS.waits("127.0.0.2", 1) == nil {
			return errors.New("what has been fetched is still held")
		}
		return nil
	})
}
