//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/latticetest"
)

// pair returns the two ends of a connection over a network.
func pair(t testing.TB, network string) (a, b net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	a, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if b = <-accepted; b == nil {
		t.Fatal("not accepted")
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestSocket(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			ca, cb := pair(t, network)
			a, b := New(ca), New(cb)
			if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
				t.Fatal(n, err)
			}
			buf := make([]byte, 16)
			if n, err := b.Read(buf); string(buf[:n]) != "hello" || err != nil {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			if n, err := b.Read(nil); n != 0 || err != nil {
				t.Errorf("reading into nothing: %d, %v", n, err)
			}
			if n, err := a.Write(nil); n != 0 || err != nil {
				t.Errorf("writing nothing: %d, %v", n, err)
			}

			// More than the socket takes at once: TryWrite takes a part, Write waits.
			all := bytes.Repeat([]byte("weft"), 4<<20)
			n, err := a.TryWrite(all)
			for more := n; more > 0 && err == nil; n += more {
				more, err = a.TryWrite(all[n:])
			}
			if err != nil || n <= 0 || n >= len(all) {
				t.Fatalf("took %d of %d bytes, %v", n, len(all), err)
			}
			wrote := make(chan error, 1)
			go func() {
				_, err := a.Write(all[n:])
				wrote <- errors.Join(err, ca.(interface{ CloseWrite() error }).CloseWrite())
			}()
			if b.Broken() {
				t.Error("broken while there is something to read")
			}
			got, err := io.ReadAll(b)
			if err != nil || !bytes.Equal(got, all) {
				t.Errorf("%d of %d bytes came, %v", len(got), len(all), err)
			}
			if err := <-wrote; err != nil {
				t.Error(err)
			}
			if b.Broken() || a.Broken() {
				t.Errorf("a connection of which one side has ended is seen as broken: %v, %v", b.Broken(), a.Broken())
			}

			if err := a.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("after the deadline: %v", err)
			}
			if tcp, ok := cb.(*net.TCPConn); ok {
				if err := tcp.SetLinger(0); err != nil { // so that it is reset
					t.Fatal(err)
				}
				cb.Close()
				latticetest.Eventually(t, func() error {
					if !a.Broken() {
						return errors.New("not seen as broken")
					}
					return nil
				})
			}
			ca.Close()
			if _, err := a.Read(buf); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read from a closed one: %v", err)
			}
			if _, err := a.Write(buf); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write to a closed one: %v", err)
			}
			if !a.Broken() {
				t.Error("a closed one is not seen as broken")
			}
		})
	}
	if c, _ := net.Pipe(); New(c) != nil {
		t.Error("a pipe in memory is no socket")
	}
}

// BenchmarkSocket is a byte there and back, beside package net.
func BenchmarkSocket(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		for name, with := range map[string]func(net.Conn) io.ReadWriter{"socket": func(c net.Conn) io.ReadWriter {
			return New(c)
		}, "net": func(c net.Conn) io.ReadWriter { return c }} {
			b.Run(network+"/"+name, func(b *testing.B) {
				ca, cb := pair(b, network)
				here, there := with(ca), with(cb)
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = io.CopyBuffer(struct{ io.Writer }{there}, struct{ io.Reader }{there}, make([]byte, 1))
				}()
				buf := []byte{1}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := here.Write(buf); err != nil {
						b.Fatal(err)
					}
					if _, err := here.Read(buf); err != nil || buf[0] != 1 {
						b.Fatal(buf, err)
					}
				}
				ca.Close()
				<-done
			})
		}
	}
}
