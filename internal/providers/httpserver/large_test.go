package httpserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/internal/latticetest/long"
	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
	"github.com/weftlattice/weft/lattice/msgpack"
	"github.com/weftlattice/weft/lattice/subject"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider/providertest"
)

// storeEmpty waits until the store of large payloads holds nothing.
func (s *site) storeEmpty() {
	s.t.Helper()
	js, err := jetstream.New(s.Lattice.Conn(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	latticetest.Eventually(s.t, func() error {
		stream, err := js.Stream(s.t.Context(), subject.ChunkStream(s.Lattice.Name))
		if err != nil {
			return err
		}
		if n := stream.CachedInfo().State.Msgs; n != 0 {
			return fmt.Errorf("%d messages left in the store", n)
		}
		return nil
	})
}

// TestLargeStreams passes large bodies on in both directions, of known and of unknown length.
func TestLargeStreams(t *testing.T) {
	s := start(t)
	s.actor(func(_ context.Context, q *contract.Request) (*contract.Response, error) {
		return &contract.Response{StatusCode: 200, Header: contract.Header{"X-Path": {q.Path}}, Body: q.Body}, nil
	})
	for _, size := range []int{wire.MaxInlineBytes - 2000, wire.MaxInlineBytes, wire.MaxInlineBytes + 1, 2 << 20} {
		body := bytes.Repeat([]byte("weft"), size/4+1)[:size]
		for name, r := range map[string]io.Reader{"known": bytes.NewReader(body),
			"unknown": struct{ io.Reader }{bytes.NewReader(body)}} {
			resp, got := s.do("POST", "/x", r)
			if resp.StatusCode != 200 || got != string(body) || resp.ContentLength != int64(size) ||
				resp.Header.Get("X-Path") != "/x" {
				t.Errorf("%s, %d bytes: %d, %d bytes back, length %d", name, size, resp.StatusCode, len(got),
					resp.ContentLength)
			}
		}
	}
	s.storeEmpty()
}

// TestLargeBodyFirst has an actor that encodes the body before the status, which must be read as a whole.
func TestLargeBodyFirst(t *testing.T) {
	s := start(t)
	body := bytes.Repeat([]byte("b"), 1<<20)
	id := s.Lattice.ActorID(t)
	t.Cleanup(providertest.ServeActor(t, s.Lattice, id, func(context.Context, *wire.Invocation) ([]byte, error) {
		w := msgpack.NewWriter(len(body) + 100)
		w.Map(3)
		w.Str("body")
		w.Bin(body)
		w.Str("statusCode")
		w.Uint(201)
		w.Str("header")
		w.Map(0)
		return w.Bytes(), nil
	}))
	s.PutLink(id, s.values())
	if resp, got := s.do("GET", "/", nil); resp.StatusCode != 201 || got != string(body) {
		t.Errorf("%d, %d bytes", resp.StatusCode, len(got))
	}
	s.storeEmpty()
}

// TestLargeFailures: refusals and broken bodies are precise, and leave nothing in the store.
func TestLargeFailures(t *testing.T) {
	long.Test(t, "moves large payloads")
	s := start(t)
	s.actor(func(_ context.Context, q *contract.Request) (*contract.Response, error) {
		if q.Path == "/fail" {
			return nil, errors.New("no")
		}
		return &contract.Response{StatusCode: 200, Body: q.Body}, nil
	}, "max_body_bytes", "2M", "read_timeout", "2s")
	body := strings.Repeat("x", 1<<20)
	if resp, _ := s.do("POST", "/fail", strings.NewReader(body)); resp.StatusCode != 500 {
		t.Errorf("failing actor: %d", resp.StatusCode)
	}
	if resp, got := s.do("POST", "/", strings.NewReader(body+body+"x")); resp.StatusCode != 413 ||
		!strings.Contains(got, "2097152") {
		t.Errorf("too large: %d %s", resp.StatusCode, got)
	}
	send := func(text string) string {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(text, "end") {
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1200000\r\n\r\n"
	if got := send(head + body); !strings.Contains(got, " 408 ") || !strings.Contains(got, lattice.ErrTimeout.Name()) {
		t.Errorf("a body that stops: %.80q", got)
	}
	if got := send(head + body + "end"); !strings.Contains(got, " 400 ") {
		t.Errorf("a body that ends early: %.80q", got)
	}
	s.storeEmpty()
	// A client that goes while its answer comes.
	conn, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n"+
		body); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, conn, 100); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.storeEmpty()
}
