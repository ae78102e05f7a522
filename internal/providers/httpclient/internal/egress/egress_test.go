package egress

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// rules are those of a link with some values, on a machine with the public address 192.88.1.7.
func rules(t testing.TB, values ...string) *Rules {
	t.Helper()
	v := linkvalue.Values{}
	for _, kv := range values {
		name, value, _ := strings.Cut(kv, "=")
		v[name] = value
	}
	s, err := linkvalue.HTTPClient.Read(v, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(s)
	if err != nil {
		t.Fatal(err)
	}
	r.own = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(192, 88, 1, 7), Mask: net.CIDRMask(24, 32)}}, nil
	}
	return r
}

func failure(t testing.TB, err error) string {
	t.Helper()
	var f *httpclient.Failure
	if err != nil && !errors.As(err, &f) {
		t.Fatalf("%v is no failure of the contract", err)
	}
	if f == nil {
		return ""
	}
	return f.Name
}

func TestNothingIsAllowedThatNoValueGrants(t *testing.T) {
	for _, r := range []*Rules{{}, rules(t), rules(t, "allowed_networks=0.0.0.0/0"), rules(t, "allowed_hosts=,")} {
		for _, url := range []string{"https://example.com/", "http://127.0.0.1/", "https://[::1]/",
			"http://localhost"} {
			if _, err := r.Judge("GET", url); failure(t, err) != httpclient.RequestDenied {
				t.Errorf("GET %s: %v", url, err)
			}
		}
	}
}

func TestRequestsAreJudgedBySchemeHostPortAndMethod(t *testing.T) {
	const denied, uri, method = httpclient.RequestDenied, httpclient.RequestURIInvalid, httpclient.RequestMethodInvalid
	site := []string{"allowed_hosts=example.com, *.api.example, http://plain.example:8080, 192.0.2.1, bücher.example"}
	for _, tc := range []struct {
		values        []string
		request, want string // the URL that is asked, or a failure
	}{
		{site, "GET https://example.com/a?b=c#d", "https://example.com/a?b=c"},
		{site, "GET HTTPS://EXAMPLE.COM.:443/", "https://example.com/"},
		{site, "GET https://example.com/a b?c d=e HTTP/1.0", "https://example.com/a%20b?c%20d=e%20HTTP/1.0"},
		{site, "GET https://example.com:0443/", "https://example.com/"},
		{site, "GET https://ｅxample.com/", "https://example.com/"},
		{site, "GET https://BÜCHER.example/", "https://xn--bcher-kva.example/"},
		{site, "GET https://a.b.api.example/", "https://a.b.api.example/"},
		{site, "GET http://plain.example:8080", "http://plain.example:8080"},
		{site, "GET https://192.0.2.1/", "https://192.0.2.1/"},
		{site, "GET https://[::ffff:192.0.2.1]/", "https://192.0.2.1/"},
		{site, "GET https://[::ffff:c000:201]/", "https://192.0.2.1/"},

		{site, "GET http://example.com/", denied},         // the scheme
		{site, "GET https://example.com:8443/", denied},   // the port
		{site, "GET http://plain.example/", denied},       // the port of that host
		{site, "GET https://plain.example:8080/", denied}, // the scheme of that host
		{site, "GET https://api.example/", denied},        // itself is not below itself
		{site, "GET https://xapi.example/", denied},
		{site, "GET https://example.com.evil/", denied},
		{site, "GET https://evilexample.com/", denied},
		{site, "GET https://a.example.com/", denied},
		{site, "TRACE https://example.com/", denied},
		{site, "CONNECT https://example.com/", denied},
		{append(site, "allowed_methods=*"), "CONNECT https://example.com/", denied},
		{append(site, "allowed_methods=*"), "BREW https://example.com/", "https://example.com/"},
		{append(site, "allowed_methods=get"), "POST https://example.com/", denied},
		{append(site, "allowed_methods=get"), "get https://example.com/", denied}, // methods have a case

		// Userinfo and other tricks to show one host and mean another.
		{site, "GET https://example.com@evil.example/", uri},
		{site, "GET https://example.com:443@evil.example/", uri},
		{site, "GET https://evil.example#@example.com/", denied},
		{site, "GET https://evil.example?@example.com/", denied},
		{site, "GET https://evil.example/@example.com", denied},
		{site, `GET https://evil.example\@example.com/`, uri},
		{site, `GET https://evil.example\.example.com/`, uri},
		{site, "GET https:///example.com/", uri},
		{site, "GET https:example.com", uri},
		{site, "GET //example.com/", uri},
		{site, "GET https://example.com\r\nHost: evil/", uri},
		{site, "GET https://example.com%2eevil/", uri},
		{site, "GET https://exa%6dple.com/", uri},
		{site, "GET https://example.com\t/", uri},
		{site, "GET https://[example.com]/", uri},
		{site, "GET https://example.com:65536/", uri},
		{site, "GET https://example.com:0/", uri},
		{site, "GET https://example.com:-1/", uri},
		{site, "GET https://example.com:443:80/", uri},
		{site, "GET gopher://example.com/", uri},
		{site, "GET file:///etc/passwd", uri},
		{site, "GET ", uri},
		{site, "G ET https://example.com/", method},

		// Addresses that only some readers take for one.
		{[]string{"allowed_hosts=*"}, "GET https://2130706433/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://0x7f000001/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://0x7f.0.0.1/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://0177.0.0.1/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://017700000001/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://127.1/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://127.0.1/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://foo.0x1/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://[fe80::1%25eth0]/", uri},
		{[]string{"allowed_hosts=*"}, "GET https://127.0.0.1/", denied}, // * has names alone
		{[]string{"allowed_hosts=*"}, "GET https://[::ffff:127.0.0.1]/", denied},
		{[]string{"allowed_hosts=*"}, "GET https://①②⑦.⓪.⓪.①/", denied}, // reads as 127.0.0.1
		{[]string{"allowed_hosts=*"}, "GET https://localhost/", "https://localhost/"},
		{[]string{"allowed_hosts=*"}, "GET https://127.0.0.1.nip.example/", "https://127.0.0.1.nip.example/"},

		{[]string{"allowed_hosts=a.example", "allowed_ports=8000-8099, 443", "allowed_schemes=http,https"},
			"GET http://a.example:8042/", "http://a.example:8042/"},
		{[]string{"allowed_hosts=a.example", "allowed_ports=8000-8099, 443", "allowed_schemes=http,https"},
			"GET http://a.example/", denied},
	} {
		method, url, _ := strings.Cut(tc.request, " ")
		if strings.HasPrefix(tc.request, "G ET ") {
			method, url = "G ET", tc.request[5:]
		}
		got, err := rules(t, tc.values...).Judge(method, url)
		if have := failure(t, err); err != nil && have != tc.want || err == nil && got.URL.String() != tc.want {
			t.Errorf("%s: %v, %v; want %s", tc.request, got, err, tc.want)
		}
	}
	if _, err := rules(t, "allowed_hosts=*").Judge("GET", "https://a.example/"+strings.Repeat("a", MaxURL)); failure(t,
		err) != httpclient.RequestURITooLong {
		t.Errorf("a long URL: %v", err)
	}
}

// What a link denies is told with the value that would allow it, and with no other.
func TestADenialNamesTheValueThatWouldAllowIt(t *testing.T) {
	for _, tc := range []struct {
		values  []string
		request string
		want    string
	}{
		{[]string{"allowed_schemes=http"}, "GET http://a.example/", "the link allows no host a.example; " +
			"add allowed_hosts=a.example"},
		{[]string{"allowed_hosts=a.example", "allowed_schemes=http"}, "GET http://a.example:19999/",
			"the link does not allow http://a.example with port 19999; add allowed_ports=19999"},
		{[]string{"allowed_hosts=a.example"}, "GET http://a.example/",
			"the link does not allow http://a.example with port 80; add allowed_schemes=http"},
		{[]string{"allowed_hosts=a.example", "allowed_ports=443"}, "GET http://a.example:81/",
			"the link does not allow http://a.example with port 81; add allowed_schemes=http and allowed_ports=81"},
		{[]string{"allowed_hosts=https://a.example:8443", "allowed_schemes=http"}, "GET http://a.example:81/",
			"the link does not allow http://a.example with port 81; add allowed_hosts=http://a.example:81"},
		{[]string{"allowed_hosts=a.example"}, "PURGE https://a.example/",
			"the link allows no method PURGE; add allowed_methods=PURGE"},
		{[]string{"allowed_hosts=a.example", "allowed_methods=*"}, "CONNECT https://a.example/",
			"the link allows no method CONNECT; no tunnels are made"},
	} {
		method, url, _ := strings.Cut(tc.request, " ")
		if _, err := rules(t, tc.values...).Judge(method, url); err == nil || !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("%s with %s: %v; want %s", tc.request, tc.values, err, tc.want)
		}
	}
}

func TestAddressesThatAreNotPublicNeedAGrant(t *testing.T) {
	public := []string{"8.8.8.8", "1.1.1.1", "192.88.1.8", "2606:4700:4700::1111", "2a00:1450:4001::1"}
	for _, a := range public {
		if err := rules(t).Connect(netip.MustParseAddr(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, tc := range []struct{ address, what string }{
		{"127.0.0.1", "a loopback address"}, {"127.255.255.254", "a loopback address"}, {"::1", "a loopback address"},
		{"::ffff:127.0.0.1", "a loopback address"}, {"0.0.0.0", "an address of this machine"},
		{"::", "an address of this machine"}, {"192.88.1.7", "an address of this machine"},
		{"10.1.2.3", "a private address"}, {"172.31.0.1", "a private address"}, {"192.168.1.1", "a private address"},
		{"fd12::1", "a private address"}, {"100.64.0.1", "a shared address"}, {"169.254.1.1", "a link-local address"},
		{"fe80::1", "a link-local address"}, {"fe80::1%eth0", "a link-local address"},
		{"fec0::1", "a site-local address"}, {"224.0.0.1", "a multicast address"}, {"ff02::1", "a multicast address"},
		{"255.255.255.255", "a reserved address"}, {"240.0.0.1", "a reserved address"},
		{"192.0.2.1", "documentation"}, {"2001:db8::1", "documentation"},
		{"198.18.0.1", "measurements"}, {"64:ff9b::8.8.8.8", "behind NAT64"}, {"64:ff9b:1::1", "behind NAT64"},
		{"2002:808:808::1", "in 6to4"}, {"2001::1", "in Teredo"}, {"::8.8.8.8", "an outdated form"},
		{"::ffff:0:8.8.8.8", "behind a translator"},
		{"4000::1", "a reserved address"}, {"5f00::1", "a reserved address"},
		{"169.254.169.254", "metadata"}, {"::ffff:169.254.169.254", "metadata"}, {"fd00:ec2::254", "metadata"},
		{"100.100.100.200", "metadata"}, {"168.63.129.16", "metadata"}, {"169.254.42.42", "metadata"},
		{"169.254.0.23", "metadata"}, {"fd00:a9fe:a9fe::1", "metadata"}, {"fd00:c1::a9fe:a9fe", "metadata"},
	} {
		a := netip.MustParseAddr(tc.address)
		err := rules(t).Connect(a)
		if failure(t, err) != httpclient.DestinationProhibited || !strings.Contains(err.Error(), tc.what) {
			t.Errorf("%s: %v, want %s", tc.address, err, tc.what)
			continue
		}
		_, way, _ := strings.Cut(err.Error(), "allowed_networks=") // and the way out is one
		if err := rules(t, "allowed_networks="+way).Connect(a); err != nil && len(inner(a.WithZone(""))) == 0 {
			t.Errorf("%s with allowed_networks=%s: %v", tc.address, way, err)
		}
	}
}

// A wide network does not open what it was not meant for.
func TestNetworksGrantNoMoreThanTheySay(t *testing.T) {
	for _, tc := range []struct {
		networks, address string
		good              bool
	}{
		{"10.0.0.0/8", "10.1.2.3", true},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"10.0.0.0/8", "11.0.0.1", true},
		{"10.0.0.0/8", "192.168.0.1", false},
		{"0.0.0.0/0", "127.0.0.1", true},
		{"0.0.0.0/0", "169.254.169.254", false},
		{"169.254.0.0/16", "169.254.169.254", false},
		{"169.254.169.254", "169.254.169.254", true},
		{"::/0", "::ffff:127.0.0.1", false},
		{"64:ff9b::/96", "64:ff9b::8.8.8.8", true},
		{"64:ff9b::/96", "64:ff9b::127.0.0.1", false},
		{"64:ff9b::/96", "64:ff9b::169.254.169.254", false},
		{"64:ff9b::/96, 127.0.0.0/8", "64:ff9b::127.0.0.1", true},
		{"::ffff:0:0:0/96", "::ffff:0:8.8.8.8", true},
		{"::ffff:0:0:0/96", "::ffff:0:127.0.0.1", false},
		{"fd00::/8", "fd00:a9fe:a9fe::1", false},
		{"2002::/16", "2002:7f00:1::1", false},
		{"2001::/32", "2001:0:808:808::80ff:fffe", false}, // its client is 127.0.0.1
		{"192.88.1.0/24", "192.88.1.7", true},
	} {
		err := rules(t, "allowed_networks="+tc.networks).Connect(netip.MustParseAddr(tc.address))
		if (err == nil) != tc.good {
			t.Errorf("%s with %s: %v", tc.address, tc.networks, err)
		}
	}
	r := rules(t)
	r.own = func() ([]net.Addr, error) { return nil, errors.New("away") }
	if err := r.Connect(netip.MustParseAddr("8.8.8.8")); err == nil {
		t.Error("what this machine's addresses are is not known, and a connection is made")
	}
}

// What is let through is what the pattern says, and reads the same again.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{"https://example.com@evil/", "https://[::ffff:127.0.0.1]:8443/", "http://a.example.",
		"https://bücher.example/", `https://a\@b.example`, "https://127.1", "HTTPS://a%2eb/"} {
		f.Add(s)
	}
	r := rules(f, "allowed_hosts=*.example, bücher.example, 192.0.2.1")
	every := rules(f, "allowed_hosts=*", "allowed_ports=1-65535", "allowed_schemes=http,https")
	f.Fuzz(func(t *testing.T, raw string) {
		if got, err := r.Judge("GET", raw); failure(t, err) == "" {
			h := got.URL.Hostname()
			if !strings.HasSuffix(h, ".example") && h != "xn--bcher-kva.example" && h != "192.0.2.1" ||
				got.URL.Port() != "" || got.URL.Scheme != "https" || got.URL.User != nil {
				t.Errorf("%q is let through as %s", raw, got.URL)
			}
		}
		got, err := every.Judge("GET", raw)
		if failure(t, err) != "" {
			return
		}
		if h, err := netaddr.ParseHost(got.URL.Hostname()); err != nil || h != got.Host || h.Name == "" {
			t.Errorf("%q has the host %v, %v", raw, h, err)
		}
		again, err := every.Judge("GET", got.URL.String())
		if err != nil || again.URL.Host != got.URL.Host || again.Address() != got.Address() {
			t.Errorf("%q is %s, and that is %v, %v", raw, got.URL, again, err)
		}
	})
}
