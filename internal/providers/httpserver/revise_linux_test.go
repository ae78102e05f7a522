package httpserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/lattice/wire"
	"github.com/weftlattice/weft/provider/providertest"
)

// Whatever is wrong with new values, the link goes on with the old ones, and its state says why.
func TestLinkKeepsServingWhenItsNewValuesAreRefused(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, providertest.WithFiles(dir, "/dev"))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, foreign, _ := net.SplitHostPort(taken.Addr().String())
	s.actor(says("other"), "path", "/other")
	id := s.actor(says("works"))
	bad := file("bad.pem", "no certificate")
	for name, c := range map[string]struct {
		values []string
		why    string
		again  bool // it is tried again by itself
	}{
		"another process has the port": {[]string{"port", foreign}, "another process has it", true},
		"another link has the path":    {[]string{"path", "/other"}, "is taken by actor", true},
		"another link has the address": {[]string{"address", "0.0.0.0:" + s.port}, "which overlaps with 0.0.0.0:",
			true},
		"other timeouts than its address": {[]string{"idle_timeout", "5s"}, "other TLS settings, timeouts", true},
		"an address of another machine": {[]string{"address", "192.0.2.1:80"},
			"this machine does not have the address", true},
		"path that nothing matches": {[]string{"path", "/v1/*"}, `want "/v1"`, false},
		"limit":                     {[]string{"max_in_flight", "0"}, "want a number from 1", false},
		"misspelt":                  {[]string{"adress", "x"}, "did you mean address?", false},
		"missing certificate": {[]string{"port", freePort(t), "tls_cert_file", "none.pem", "tls_key_file",
			bad}, "there is no such file", true},
		"certificate that is none": {[]string{"port", freePort(t), "tls_cert_file", bad, "tls_key_file", bad},
			"load TLS certificate", true},
		"certificate in a pipe": {[]string{"port", freePort(t), "tls_cert_file", "pipe", "tls_key_file",
			bad}, "it is a pipe", true},
		"certificate without end": {[]string{"port", freePort(t), "tls_cert_file", "/dev/zero", "tls_key_file",
			bad}, "it is a device", true},
		"certificate outside of allowed folder": {[]string{"port", freePort(t), "tls_cert_file", "/etc/hostname",
			"tls_key_file", bad}, "--files-dir DIR", true},
	} {
		t.Run(name, func(t *testing.T) {
			values := s.values(c.values...)
			if c.values[0] == "address" {
				delete(values, "port")
			}
			if offered := s.CheckLink(id, values); !providertest.Failed(&offered) || !strings.Contains(offered.Error,
				c.why) {
				t.Errorf("offered: %+v, want failed with %q", offered, c.why)
			}
			state := s.PutLink(id, values)
			if !providertest.Kept(&state) || !strings.Contains(state.Refused.Error, c.why) ||
				(state.Refused.RetryMS > 0) != c.again {
				t.Errorf("%+v, want the link active, and %q refused; tried again: %v", state, c.why, c.again)
			}
			if resp, body := s.do("GET", "/", nil); resp.StatusCode != 200 || body != "works" {
				t.Errorf("the old link answers %d %q", resp.StatusCode, body)
			}
		})
	}
}

// A link that stood against something outside of weft works as soon as that is gone, without a command.
func TestRefusedLinkIsTriedAgainByItself(t *testing.T) {
	s := start(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, _ := net.SplitHostPort(taken.Addr().String())
	id := s.actor(says("works"))
	if state := s.PutLink(id, map[string]string{"port": foreign}); !providertest.Kept(&state) {
		t.Fatalf("%+v", state)
	}
	other := s.Lattice.ActorID(t)
	if state := s.PutLink(other, map[string]string{"port": foreign, "path": "/x"}); !providertest.Failed(&state) ||
		state.RetryMS == 0 {
		t.Fatalf("%+v, want failed and when it is tried again", state)
	}
	taken.Close()
	state := s.WaitLink(id, func(l *wire.LinkState) bool { return providertest.Active(l) && l.Refused == nil })
	s.WaitLink(other, providertest.Active)
	s.port = foreign
	if resp, body := s.do("GET", "/", nil); resp.StatusCode != 200 || body != "works" {
		t.Errorf("%+v answers %d %q", state, resp.StatusCode, body)
	}
}

// A link moves between one address and all of them, and between settings of its listener, and refuses no client
// meanwhile.
func TestLinkMovesToAnOverlappingAddressWithoutRefusing(t *testing.T) {
	s := start(t)
	id := s.actor(says("works"))
	stop := make(chan struct{})
	done := make(chan error, 1)
	var served atomic.Int64
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := s.fresh(); err != nil {
				done <- err
				return
			}
			served.Add(1)
		}
	}()
	for i, values := range []map[string]string{
		{"address": "0.0.0.0:" + s.port}, {"address": "127.0.0.1:" + s.port}, {"address": "127.0.0.1:" + s.port,
			"idle_timeout": "7s"},
		{"address": "0.0.0.0:" + s.port, "max_header_bytes": "4K"}, {"address": "0.0.0.0:" + s.port}, {"port": s.port},
	} {
		before := served.Load()
		if state := s.PutLink(id, values); !providertest.Active(&state) || state.Refused != nil {
			t.Fatalf("move %d: %+v", i, state)
		}
		latticetest.Eventually(t, func() error {
			if served.Load() < before+3 && len(done) == 0 {
				return fmt.Errorf("%d requests since", served.Load()-before)
			}
			return nil
		})
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("a client was refused: %v", err)
	}
	// No other process can listen on the port now.
	if ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:"+s.port); err == nil {
		ln.Close()
		t.Error("another process could listen on the port as well")
	}
}

// fresh makes one request on a connection of its own.
func (s *site) fresh() error {
	c, err := net.Dial("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	b := make([]byte, 12)
	if _, err := c.Read(b); err != nil || string(b) != "HTTP/1.1 200" {
		return fmt.Errorf("answer %q, %w", b, err)
	}
	return nil
}
