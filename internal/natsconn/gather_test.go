package natsconn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weftlattice/weft/internal/natsserver"
)

// told tells of each write that reaches the connection.
type told struct {
	net.Conn
	writes chan int
}

func (c *told) Write(b []byte) (int, error) {
	c.writes <- len(b)
	return c.Conn.Write(b)
}

// sockets returns both ends of a TCP connection.
func sockets(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// All that is written before Close arrives, and each writer's pieces in their order.
func TestGatheredKeepsOrder(t *testing.T) {
	near, far := sockets(t)
	g := gather(near)
	const writers, each = 8, 5000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				var piece [8]byte
				binary.BigEndian.PutUint32(piece[:4], uint32(w))
				binary.BigEndian.PutUint32(piece[4:], uint32(i))
				if n, err := g.Write(piece[:]); n != len(piece) || err != nil {
					t.Errorf("wrote %d bytes: %v", n, err)
					return
				}
			}
		})
	}
	go func() { wg.Wait(); g.Close() }()
	all, err := io.ReadAll(far)
	if err != nil || len(all) != 8*writers*each {
		t.Fatalf("%d bytes came, want %d: %v", len(all), 8*writers*each, err)
	}
	var next [writers]uint32
	for ; len(all) > 0; all = all[8:] {
		w, i := binary.BigEndian.Uint32(all), binary.BigEndian.Uint32(all[4:])
		if next[w] != i {
			t.Fatalf("writer %d: piece %d came where %d was due", w, i, next[w])
		}
		next[w]++
	}
}

// What is written while an earlier write is under way goes together.
func TestGatheredWritesTogether(t *testing.T) {
	near, far := net.Pipe() // a write lasts until it has been read
	defer far.Close()
	c := &told{near, make(chan int, 200)}
	g := gather(c)
	if _, err := g.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	<-c.writes // the first one is under way
	for range 100 {
		if _, err := g.Write([]byte("b")); err != nil {
			t.Fatal(err)
		}
	}
	go g.Close()
	all, err := io.ReadAll(far)
	if want := append([]byte("a"), bytes.Repeat([]byte("b"), 100)...); err != nil || !bytes.Equal(all, want) {
		t.Fatalf("%q came: %v", all, err)
	}
	if n := <-c.writes; n != 100 || len(c.writes) > 0 {
		t.Errorf("%d bytes were written together, and %d times more; want 100 at once", n, len(c.writes))
	}
}

// A peer that takes nothing makes Write wait, at most until its deadline, and then the connection is over.
func TestGatheredIsBounded(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	g := gather(near)
	defer g.Close()
	piece := make([]byte, 64<<10)
	held := 0
	for {
		_ = g.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		n, err := g.Write(piece)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if held += n; err != nil || held > 3*maxGathered {
			t.Fatalf("%d bytes are held: %v", held, err)
		}
	}
	if _, err := g.Write(piece); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write afterwards: %v", err)
	}
	if _, err := far.Read(piece); err != io.EOF {
		t.Errorf("the other end reads %v, want the end", err)
	}
}

// Close does not wait for a peer that takes nothing, and a Write that waits for room ends with it.
func TestGatheredCloses(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	g, piece := gather(near), make([]byte, 64<<10)
	wrote, full := make(chan error, 1), make(chan struct{})
	go func() {
		for i := 0; ; i++ {
			if i == maxGathered/len(piece) { // as many as there is room for, with none taken
				close(full)
			}
			if _, err := g.Write(piece); err != nil {
				wrote <- err
				return
			}
		}
	}()
	<-full
	g.Close()
	if err := <-wrote; err == nil {
		t.Error("a write after Close succeeded")
	}
	if err := g.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// What was published is there after the connection is closed, over the network and inside the process.
func TestGatheredPublishes(t *testing.T) {
	s := startServer(t, natsserver.Config{})
	for name, cfg := range map[string]Config{"network": {URL: s.URL()}, "inside": {URL: s.URL(), InProcess: s}} {
		t.Run(name, func(t *testing.T) {
			to := connect(t, Config{URL: s.URL()})
			sub, err := to.SubscribeSync("to." + name)
			if err == nil {
				err = to.Flush()
			}
			if err != nil {
				t.Fatal(err)
			}
			nc := connect(t, cfg)
			const n = 2000
			for i := range n {
				if err := nc.Publish("to."+name, binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
					t.Fatal(err)
				}
			}
			nc.Close()
			for i := range n {
				m, err := sub.NextMsg(10 * time.Second)
				if err != nil || binary.BigEndian.Uint32(m.Data) != uint32(i) {
					t.Fatalf("message %d: %v, %v", i, m, err)
				}
			}
		})
	}
}

// nats.go forgets a connection that was refused: the next one ends it, and so does giving up.
func TestRefusedConnectionsEnd(t *testing.T) {
	var l last
	dial := func() (far net.Conn) {
		t.Helper()
		near, far := net.Pipe()
		t.Cleanup(func() { far.Close() })
		if _, err := l.next(func() (net.Conn, error) { return near, nil }); err != nil {
			t.Fatal(err)
		}
		return far
	}
	first, second := dial(), dial()
	if _, err := first.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the first connection is not ended by the second: %v", err)
	}
	if _, err := l.next(func() (net.Conn, error) { return nil, io.ErrUnexpectedEOF }); err != io.ErrUnexpectedEOF {
		t.Errorf("a failed dial: %v", err)
	}
	if _, err := second.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the second connection is not ended by a dial that failed: %v", err)
	}
	third := dial()
	l.abandon()
	if _, err := third.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the last connection is not ended: %v", err)
	}
	l.abandon()
}
