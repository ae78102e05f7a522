package httpserver

import (
	"fmt"
	"net"
	"testing"

	"github.com/weftlattice/weft/internal/latticetest"
	"github.com/weftlattice/weft/provider/providertest"
)

// Two addresses overlap when a client can reach one by the other. 0.0.0.0 is all of IPv4 and nothing of IPv6.
func TestOverlappingAddresses(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true}, {"0.0.0.0:80", "127.0.0.1:80", true}, {"0.0.0.0:80", "[::1]:80", false},
		{"[::]:80", "[::1]:80", true}, {"[::]:80", "127.0.0.1:80", true}, {"[::]:80", "0.0.0.0:80", true},
		{":80", "0.0.0.0:80", true},
		{":80", "[::1]:80", true}, {"127.0.0.1:80", "127.0.0.2:80", false}, {"0.0.0.0:80", "127.0.0.1:81", false},
		{"[::1]:80", "[0:0::1]:80", true}, {"0.0.0.0:80", "[::ffff:127.0.0.1]:80", true},
		{"[fe80::1%lo]:80", "[fe80::1%eth0]:80", false},
		{"0.0.0.0:0", "127.0.0.1:0", false}, {":80", "localhost:80", true},
	} {
		if got, turned := overlap(c.a, c.b), overlap(c.b, c.a); got != c.want || turned != c.want {
			t.Errorf("%s and %s overlap: %v, turned %v; want %v", c.a, c.b, got, turned, c.want)
		}
	}
}

// One actor listens on all of IPv4 and another one on loopback of IPv6, with one port. A link that moves from all
// addresses to all of IPv4 is no longer reached over IPv6.
func TestAllOfIPv4LeavesIPv6ToOthers(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	probe.Close()
	s := start(t)
	s.actor(says("six"), "address", "[::1]:"+s.port)
	four := s.actor(says("four"), "address", "0.0.0.0:"+s.port)
	if _, body := s.do("GET", "/", nil); body != "four" {
		t.Errorf("127.0.0.1 answers %q", body)
	}
	s.port = freePort(t)
	for _, address := range []string{"[::]:", "0.0.0.0:"} {
		if state := s.PutLink(four, s.values("address", address+s.port)); !providertest.Active(&state) ||
			state.Refused != nil {
			t.Fatalf("moved to %s: %+v", address, state)
		}
		if _, body := s.do("GET", "/", nil); body != "four" {
			t.Errorf("127.0.0.1 answers %q after the move to %s", body, address)
		}
	}
	latticetest.Eventually(t, func() error {
		c, err := net.Dial("tcp6", "[::1]:"+s.port)
		if err != nil {
			return nil
		}
		c.Close()
		return fmt.Errorf("a link on 0.0.0.0 is reached over IPv6")
	})
}
