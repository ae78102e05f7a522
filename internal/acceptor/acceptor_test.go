package acceptor_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/weftlattice/weft/internal/acceptor"
)

func TestCloseEndsConnectionsAndWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	a := acceptor.New(l)
	a.Start(func(c net.Conn) {
		_, _ = io.WriteString(c, "hello")
		_, err := c.Read(make([]byte, 1)) // until Close
		served <- err
	}, func(err error) { t.Error(err) })
	c, err := net.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	if !a.Keep(ours) || a.Len() != 2 {
		t.Errorf("%d connections are kept", a.Len())
	}
	for range 2 {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := net.Dial("tcp", a.Addr().String()); err == nil {
		t.Error("a connection was accepted after Stop")
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("what was served ended with %v", err)
	}
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("the further connection is still open")
	}
	if late, _ := net.Pipe(); a.Keep(late) {
		t.Error("a connection was kept after Close")
	}
	if a.Len() != 0 && a.Len() != 1 { // the pipe is nobody's to drop
		t.Errorf("%d connections are left", a.Len())
	}
}
