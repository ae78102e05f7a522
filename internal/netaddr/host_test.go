package netaddr_test

import (
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/netaddr"
)

// Each host has one spelling, and what resolvers read in different ways is none.
func TestHostsHaveOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"example.com": "example.com", "EXAMPLE.com.": "example.com", "bücher.example": "xn--bcher-kva.example",
		"BÜCHER.example": "xn--bcher-kva.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"ｅｘａｍｐｌｅ.com": "example.com", "example。com": "example.com", "exa\u00admple.com": "example.com",
		"10.0.0.7": "10.0.0.7", "10.0.0.7.": "10.0.0.7", "１２７.0.0.1": "127.0.0.1",
		"::1": "[::1]", "::ffff:127.0.0.1": "127.0.0.1", "0:0::ffff:7f00:1": "127.0.0.1",
		"2001:DB8::1": "[2001:db8::1]",
		"a_b.example": "a_b.example", "localhost": "localhost", "1.example": "1.example", "0xg.example": "0xg.example",
		"::7f00:1": "[::7f00:1]",
	} {
		if got, err := netaddr.ParseHost(in); err != nil || got.String() != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "..", "a..b", ".a", "2130706433", "0x7f000001", "0x7f.1",
		"127.1", "0177.0.0.1",
		"127.0.0.01", "1.2.3.4.5", "256.1.1.1", "a.1", "a.0x", "127.0.0.1..", "fe80::1%eth0", "[::1]", "::1::",
		"a b", "a%00b", "a/b", "a\\b", "a@b", "xn--a", strings.Repeat("a", 64), strings.Repeat("a.", 128), "a\x00b",
		"\u200d.example", "*.example",
		"a,b"} {
		if got, err := netaddr.ParseHost(in); err == nil {
			t.Errorf("%q is taken as %q", in, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	host := func(s string) netaddr.Host {
		h, err := netaddr.ParseHost(s)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, tc := range []struct{ in, spelling, has, hasNot string }{
		{"Example.COM", "example.com", "example.com", "a.example.com example.com.evil evilexample.com 1.2.3.4"},
		{"*.example.com:8443", "*.example.com:8443", "a.example.com b.a.example.com",
			"example.com aexample.com example.com.evil"},
		{"http://10.0.0.7:80", "http://10.0.0.7:80", "10.0.0.7 ::ffff:10.0.0.7", "10.0.0.70 a.example"},
		{"https://[::1]:443", "https://[::1]:443", "::1", "127.0.0.1 localhost"},
		{"::1", "[::1]", "::1", "::2"},
		{"*", "*", "example.com localhost", "127.0.0.1 ::1"},
		{"*.bücher.example", "*.xn--bcher-kva.example", "a.xn--bcher-kva.example", "xn--bcher-kva.example"},
	} {
		p, err := netaddr.ParsePattern(tc.in)
		if err != nil || p.String() != tc.spelling {
			t.Errorf("%q is %q, %v", tc.in, p, err)
			continue
		}
		for h := range strings.FieldsSeq(tc.has) {
			if !p.Has(host(h)) {
				t.Errorf("%q has not %s", tc.in, h)
			}
		}
		for h := range strings.FieldsSeq(tc.hasNot) {
			if p.Has(host(h)) {
				t.Errorf("%q has %s", tc.in, h)
			}
		}
	}
	for in, want := range map[string]string{
		"": "a name is made of", "ftp://a": "http or https", "https://a/": `want "https://a"`, "a/b": `want "a"`,
		"user@a": `want "user"`, "a:0": "is no port", "a:x": "is no port", "a:": "is no port",
		"*.10.0.0.1": "below an address",
		"*a.example": "a name is made of", "a.*": "a name is made of", "*.*": "a name is made of", "[a]": "only IPv6",
		"[::1]x": "want [IPv6]:PORT", "127.1": "four decimal numbers", "*.": "a name is made of", "a:1:2": "no IPv6"} {
		if p, err := netaddr.ParsePattern(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", in, p, err, want)
		}
	}
}

// A pattern that is written is the pattern that was read, and matches nothing that differs in its spelling.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"*.example.com:8443", "https://[::ffff:1.2.3.4]:1",
		"*", "http://bücher.example.", "a:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := netaddr.ParsePattern(s)
		if err != nil {
			return
		}
		again, err := netaddr.ParsePattern(p.String())
		if err != nil || again != p {
			t.Errorf("%q is %v, and that is %v, %v", s, p, again, err)
		}
		if p.Host.Name != "" && p.Host.Addr.IsValid() {
			t.Errorf("%q is a name and an address", s)
		}
	})
}
