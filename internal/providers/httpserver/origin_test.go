package httpserver

import (
	"net/netip"
	"strings"
	"testing"

	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
)

// TestOrigin: the client is the address that the nearest trusted proxy names, and nothing that stands to its left.
func TestOrigin(t *testing.T) {
	const proxy = "10.0.0.1"
	for name, row := range map[string]struct {
		tell   string
		header []string
		want   origin // client left out; see its address
		client string
	}{
		"nothing": {tellX, nil, origin{chain: proxy, scheme: "http"}, ""},
		"client": {tellX, []string{"x-forwarded-for", "192.0.2.7", "x-forwarded-proto", "https", "x-forwarded-host",
			"front.example:8443"}, origin{chain: "192.0.2.7, " + proxy, scheme: "https", host: "front.example:8443"},
			"192.0.2.7"},
		"forged by the client": {tellX, []string{"x-forwarded-for", "6.6.6.6, 192.0.2.7", "x-forwarded-proto",
			"gopher, https"}, origin{chain: "192.0.2.7, " + proxy, scheme: "https"}, "192.0.2.7"},
		"forged as a proxy": {tellX, []string{"x-forwarded-for", "10.0.0.9, 192.0.2.7"},
			origin{chain: "192.0.2.7, " + proxy, scheme: "http"}, "192.0.2.7"},
		"two proxies": {tellX, []string{"x-forwarded-for", "6.6.6.6, 192.0.2.7, 10.0.0.2",
			"x-forwarded-proto", "http, https, http", "x-forwarded-host", "a,b,c"},
			origin{chain: "192.0.2.7, 10.0.0.2, " + proxy, scheme: "https", host: "b"}, "192.0.2.7"},
		"the last one replaces": {tellX, []string{"x-forwarded-for", "192.0.2.7, 10.0.0.2", "x-forwarded-proto",
			"https"}, origin{chain: "192.0.2.7, 10.0.0.2, " + proxy, scheme: "https"}, "192.0.2.7"},
		"two lines": {tellX, []string{"x-forwarded-for", "6.6.6.6", "x-forwarded-for", "192.0.2.7"},
			origin{chain: "192.0.2.7, " + proxy, scheme: "http"}, "192.0.2.7"},
		"only proxies": {tellX, []string{"x-forwarded-for", "10.0.0.3"}, origin{chain: "10.0.0.3, " + proxy,
			scheme: "http"}, "10.0.0.3"},
		"a port": {tellX, []string{"x-forwarded-for", "192.0.2.7:4711"},
			origin{chain: "192.0.2.7, " + proxy, scheme: "http"}, "192.0.2.7"},
		"IPv6": {tellX, []string{"x-forwarded-for", "[2001:db8::1:2]:80"},
			origin{chain: "2001:db8::1:2, " + proxy, scheme: "http"}, "2001:db8::"},
		"IPv4 in IPv6": {tellX, []string{"x-forwarded-for", "::ffff:192.0.2.7"},
			origin{chain: "192.0.2.7, " + proxy, scheme: "http"}, "192.0.2.7"},
		"unknown": {tellX, []string{"x-forwarded-for", "192.0.2.7, unknown"},
			origin{chain: proxy, scheme: "http"}, ""},
		"garbage": {tellX, []string{"x-forwarded-for", `", ,,x<>`, "x-forwarded-proto", "a b",
			"x-forwarded-host", "a/b c"}, origin{chain: proxy, scheme: "http"}, ""},
		"scheme alone": {tellX, []string{"x-forwarded-proto", "https"}, origin{chain: proxy, scheme: "https"},
			""},
		"the other header": {tellX, []string{"forwarded", "for=6.6.6.6;proto=https;host=evil"},
			origin{chain: proxy, scheme: "http"}, ""},
		"standard": {tellStandard,
			[]string{"forwarded", `for=6.6.6.6, For="192.0.2.7:4711" ;Proto=HTTPS; host="front"`},
			origin{chain: "192.0.2.7, " + proxy, scheme: "https", host: "front"}, "192.0.2.7"},
		"standard, IPv6": {tellStandard, []string{"forwarded", `for="[2001:db8:0:1::9]:80"`},
			origin{chain: "2001:db8:0:1::9, " + proxy, scheme: "http"}, "2001:db8:0:1::"},
		"standard, hidden": {tellStandard, []string{"forwarded", `for=192.0.2.7, for=_secret`},
			origin{chain: proxy, scheme: "http"}, ""},
		"standard, an open quote": {tellStandard, []string{"forwarded", `for="6.6.6.6`, "forwarded",
			`for=192.0.2.7;proto=https`}, origin{chain: "192.0.2.7, " + proxy, scheme: "https"}, "192.0.2.7"},
		"standard, the other": {tellStandard, []string{"x-forwarded-for", "6.6.6.6"},
			origin{chain: proxy, scheme: "http"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &proxies{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, tell: row.tell}
			got := p.origin(origin{chain: proxy, scheme: "http"}, netip.MustParseAddr(proxy), pairs(row.header))
			client := ""
			if got.client.IsValid() {
				client = got.client.String()
			}
			if got.client = (netip.Addr{}); got != row.want || client != row.client {
				t.Errorf("got %+v of client %q, want %+v of %q", got, client, row.want, row.client)
			}
		})
	}
}

func pairs(header []string) func(yield func(name, value string) bool) {
	return func(yield func(name, value string) bool) {
		for i := 0; i+1 < len(header); i += 2 {
			if !yield(header[i], header[i+1]) {
				return
			}
		}
	}
}

// FuzzOrigin: whatever a client makes up, the address that a trusted proxy adds behind it is the client's.
func FuzzOrigin(f *testing.F) {
	f.Add("6.6.6.6", "https", true)
	f.Add(`for="6.6.6.6;proto=`, `"`, false)
	f.Fuzz(func(t *testing.T, forged, scheme string, standard bool) {
		p := &proxies{networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, tell: tellX}
		header := []string{contract.ForwardedFor, forged + ", 192.0.2.7", contract.ForwardedProto, scheme + ", https"}
		if standard {
			p.tell, header = tellStandard, []string{"forwarded", forged + ", for=192.0.2.7;proto=https"}
		}
		got := p.origin(origin{chain: "10.0.0.1", scheme: "http"}, netip.MustParseAddr("10.0.0.1"), pairs(header))
		if got.chain != "192.0.2.7, 10.0.0.1" || got.scheme != "https" || got.client.String() != "192.0.2.7" ||
			got.host != "" {
			t.Fatalf("%q: %+v", header, got)
		}
	})
}

// TestTrustedProxy: what the proxy says reaches the actor by each way; the rest of its kind does not.
func TestTrustedProxy(t *testing.T) {
	w := openWays(t, map[string]string{"trusted_proxies": "127.0.0.0/8"})
	for _, way := range wayNames {
		w.do(way, "GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: "+
			"https\r\nX-Forwarded-Host: front\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n")
		w.mu.Lock()
		h := w.asked.Header
		w.mu.Unlock()
		for name, want := range map[string]string{contract.ForwardedFor: "192.0.2.7, 127.0.0.1",
			contract.ForwardedProto: "https",
			contract.ForwardedHost:  "front", "host": "inner", "x-real-ip": "", "forwarded": ""} {
			if got := strings.Join(h[name], "|"); got != want {
				t.Errorf("%s: %s is %q, want %q", way, name, got, want)
			}
		}
	}
}

// TestClientOf: one site is one client.
func TestClientOf(t *testing.T) {
	for address, want := range map[string]string{"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"2001:db8:1:2:3::4": "2001:db8:1:2::", "fe80::1%eth0": "fe80::", "::1": "::"} {
		if got := clientOf(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s is client %s, want %s", address, got, want)
		}
	}
}

// TestManyProxies: an origin as large as a header may be is read.
func TestManyProxies(t *testing.T) {
	w := openWays(t, map[string]string{"trusted_proxies": "127.0.0.1"})
	resp, _ := w.do("net/http", "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7"+strings.Repeat(",127.0.0.1",
		6000)+"\r\n\r\n")
	if chain := w.asked.Header.Get(contract.ForwardedFor); resp.StatusCode != 200 ||
		!strings.HasPrefix(chain, "192.0.2.7, 127.0.0.1, ") || strings.Count(chain, ",") != 6001 {
		t.Errorf("status %d, %.100q", resp.StatusCode, chain)
	}
}
