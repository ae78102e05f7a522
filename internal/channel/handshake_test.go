package channel_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weftlattice/weft/internal/channel"
	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice"
)

func listen(t *testing.T) *channel.Listener {
	t.Helper()
	l, err := channel.Listen(t.TempDir(), latticetest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestOnlyWhoKnowsTheSecretGetsIn(t *testing.T) {
	l := listen(t)
	accepted := make(chan net.Conn, 10)
	good := l.Offer(func(c net.Conn) { accepted <- c })
	other := l.Offer(func(c net.Conn) { _ = c.Close() })
	for name, change := range map[string]func(*channel.Credentials){
		"another secret":   func(c *channel.Credentials) { c.Secret = other.Secret },
		"an unknown id":    func(c *channel.Credentials) { c.ID = strings.Repeat("00", 16) },
		"malformed secret": func(c *channel.Credentials) { c.Secret = "secret" },
		"no secret":        func(c *channel.Credentials) { c.Secret = "" },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			if conn, err := channel.Dial(c); err == nil {
				_ = conn.Close()
				t.Fatal("let in")
			} else if strings.Contains(err.Error(), good.Secret) {
				t.Fatal("the secret shows")
			}
		})
	}
	conn, err := channel.Dial(good)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	(<-accepted).Close()
	if len(accepted) > 0 {
		t.Fatal("somebody without the secret was let in")
	}
	l.Withdraw(good.ID)
	if conn, err := channel.Dial(good); err == nil {
		_ = conn.Close()
		t.Fatal("let in with credentials that were withdrawn")
	}
	if s := good.String(); strings.Contains(s, good.Secret) {
		t.Fatal("the secret shows in", s)
	}
}

// A process that listens in the place of the host, as after its death, does not learn the secret and is not believed.
func TestTheListenerMustKnowTheSecretToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		hello := make([]byte, 56)
		_, _ = io.ReadFull(conn, hello)
		_, _ = conn.Write(make([]byte, 64))
		_, _ = io.Copy(io.Discard, conn)
	}()
	l := listen(t)
	c := l.Offer(func(c net.Conn) { _ = c.Close() })
	c.Socket = path
	if _, err := channel.Dial(c); !errors.Is(err, lattice.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
}

func TestTheSocketIsPrivateAndGoesAway(t *testing.T) {
	base := t.TempDir()
	l, err := channel.Listen(base, latticetest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	c := l.Offer(func(c net.Conn) { _ = c.Close() })
	info, err := os.Stat(filepath.Dir(c.Socket))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("folder of the socket: %v, %v", info.Mode(), err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Fatalf("left behind: %v, %v", left, err)
	}
	if _, err := channel.Dial(c); !errors.Is(err, lattice.ErrUnavailable) {
		t.Fatalf("dial after the end: %v", err)
	}
}

func TestALongPathIsReplaced(t *testing.T) {
	base := filepath.Join(t.TempDir(), strings.Repeat("x", 90))
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := channel.Listen(base, latticetest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := channel.Dial(l.Offer(func(c net.Conn) { _ = c.Close() }))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// systemd-tmpfiles removes what was not touched for ten days, the socket of a host among it.
func TestAProcessGetsItsChannelAfterTheSocketWasRemoved(t *testing.T) {
	l := listen(t)
	accepted := make(chan net.Conn, 10)
	accept := func(c net.Conn) { accepted <- c }
	first := l.Offer(accept)
	old, err := channel.Dial(first)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	theirs := <-accepted
	defer theirs.Close()
	for _, gone := range []string{filepath.Dir(first.Socket), ""} {
		if gone == "" { // the socket alone, this time
			gone = l.Offer(accept).Socket
		}
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 { // processes that start at once
			wg.Go(func() {
				conn, err := channel.Dial(l.Offer(accept))
				if err != nil {
					t.Errorf("after %s was removed: %v", gone, err)
					return
				}
				_ = conn.Close()
				_ = (<-accepted).Close()
			})
		}
		wg.Wait()
	}
	if _, err := old.Write([]byte("x")); err != nil {
		t.Errorf("the connection from before ended: %v", err)
	}
	if n, err := theirs.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("the connection from before ended: %v", err)
	}
}

func TestAFolderThatCannotBeWrittenToIsReplaced(t *testing.T) {
	l, err := channel.Listen(filepath.Join(t.TempDir(), "nowhere"), latticetest.Logger(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}
