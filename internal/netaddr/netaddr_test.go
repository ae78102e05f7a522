package netaddr_test

import (
	"net"
	"testing"

	"github.com/weftlattice/weft/internal/netaddr"
)

func TestBracketed(t *testing.T) {
	for s, want := range map[string]string{
		"::1:8080": "[::1]:8080", "fe80::1:4222": "[fe80::1]:4222", ":::8080": "[::]:8080",
		"2001:db8::1:443": "[2001:db8::1]:443",
		"::1":             "", "[::1]:8080": "", "::": "", "127.0.0.1:8080": "", "localhost:8080": "", ":8080": "",
		"2001:db8::1": "", "": "", "fe80::a:beef": "",
	} {
		if got := netaddr.Bracketed(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

// TestAllOfIPv4IsNotIPv6: a server that listens on 0.0.0.0 is not reached over IPv6.
func TestAllOfIPv4IsNotIPv6(t *testing.T) {
	for address, want := range map[string]string{"0.0.0.0:0": "tcp4", "0.0.0.0": "tcp4", "127.0.0.1:0": "tcp",
		"[::]:0": "tcp", ":0": "tcp", "localhost:80": "tcp"} {
		if got := netaddr.Network(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	l, err := net.Listen(netaddr.Network("0.0.0.0:0"), "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if c, err := net.Dial("tcp4", "127.0.0.1:"+port); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	if c, err := net.Dial("tcp6", "[::1]:"+port); err == nil {
		c.Close()
		t.Error("it is reached over IPv6 as well")
	}
}
