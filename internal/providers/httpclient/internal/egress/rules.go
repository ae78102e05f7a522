package egress

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/internal/clip"
	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
	"github.com/weftlattice/weft/lattice/linkvalue"
)

// Rules are what a link allows. The zero value allows nothing.
type Rules struct {
	hosts    []netaddr.Pattern
	schemes  []string
	ports    [][2]uint16 // empty: that of the scheme
	methods  []string
	networks []netip.Prefix
	own      func() ([]net.Addr, error) // the addresses of this machine
}

// Read makes rules of the values of a link, as linkvalue.HTTPClient has read them.
func Read(s linkvalue.Settings) (*Rules, error) {
	r := &Rules{schemes: parts(s.Text("allowed_schemes")), methods: parts(s.Text("allowed_methods")),
		own: net.InterfaceAddrs}
	for _, text := range parts(s.Text("allowed_hosts")) {
		p, err := netaddr.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		r.hosts = append(r.hosts, p)
	}
	for _, text := range parts(s.Text("allowed_ports")) {
		low, high, err := netaddr.ParsePorts(text)
		if err != nil {
			return nil, err
		}
		r.ports = append(r.ports, [2]uint16{low, high})
	}
	for _, text := range parts(s.Text("allowed_networks")) {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		r.networks = append(r.networks, n)
	}
	return r, nil
}

func parts(list string) []string {
	return strings.FieldsFunc(list, func(c rune) bool { return c == ',' })
}

// MaxURL is how long a URL may be in bytes.
const MaxURL = 16 << 10

// Target is a request that was judged and may be made.
type Target struct {
	URL   *url.URL // in its one spelling, without fragment
	Host  netaddr.Host
	Port  uint16
	Grant string // the pattern that allows it
}

// Address is what to dial: the name, with a dot at its end where it is a whole one, so that no search list makes
// another of it, and the port.
func (t *Target) Address() string {
	return Absolute(net.JoinHostPort(t.URL.Hostname(), strconv.Itoa(int(t.Port))))
}

// Absolute makes a name with dots absolute in an address, so that no search list makes another name of it.
func Absolute(address string) string {
	host, port, err := net.SplitHostPort(address)
	if _, ip := netip.ParseAddr(host); err != nil || ip == nil || !strings.Contains(host, ".") {
		return address
	}
	return net.JoinHostPort(strings.TrimSuffix(host, ".")+".", port)
}

// Judge says whether a request may be made.
func (r *Rules) Judge(method, rawURL string) (*Target, error) {
	if !httpguts.ValidHeaderFieldName(method) { // both are tokens
		return nil, httpclient.Fail(httpclient.RequestMethodInvalid, "%q is no method", clip.Text(method, maxShown))
	}
	t, err := read(rawURL)
	if err != nil {
		return nil, err
	}
	switch {
	case method == "CONNECT":
		return nil, denied("the link allows no method CONNECT; no tunnels are made")
	case !slices.Contains(r.methods, "*") && !slices.Contains(r.methods, method):
		return nil, denied("the link allows no method %s; add allowed_methods=%[1]s", clip.Text(method, maxShown))
	}
	var missing string // that would be added to what a pattern allows, the least of all patterns
	for _, p := range r.hosts {
		if !p.Has(t.Host) {
			continue
		}
		add := r.missing(p, t)
		if add == "" {
			t.Grant = p.String()
			return t, nil
		}
		if missing == "" || len(add) < len(missing) {
			missing = add
		}
	}
	if missing == "" {
		return nil, denied("the link allows no host %s; add allowed_hosts=%[1]s", t.Host)
	}
	return nil, denied("the link does not allow %s://%s with port %d; add %s", t.URL.Scheme, t.Host, t.Port, missing)
}

// missing are the values that a link lacks for a target whose host a pattern has; "": none. A pattern that says a
// scheme or a port allows no others, so that another pattern is lacking.
func (r *Rules) missing(p netaddr.Pattern, t *Target) string {
	scheme, port := r.scheme(p, t.URL.Scheme), r.port(p, t.Port, t.URL.Scheme)
	if !scheme && p.Scheme != "" || !port && p.Port != 0 {
		return "allowed_hosts=" + netaddr.Pattern{Scheme: t.URL.Scheme, Host: t.Host, Port: t.Port}.String()
	}
	var values []string
	if !scheme {
		values = append(values, "allowed_schemes="+t.URL.Scheme)
	}
	if !port {
		values = append(values, fmt.Sprintf("allowed_ports=%d", t.Port))
	}
	return strings.Join(values, " and ")
}

func denied(format string, args ...any) error {
	return httpclient.Fail(httpclient.RequestDenied, format, args...)
}

func (r *Rules) scheme(p netaddr.Pattern, scheme string) bool {
	if p.Scheme != "" {
		return p.Scheme == scheme
	}
	return slices.Contains(r.schemes, scheme)
}

func (r *Rules) port(p netaddr.Pattern, port uint16, scheme string) bool {
	switch {
	case p.Port != 0:
		return p.Port == port
	case len(r.ports) == 0:
		return port == defaultPort(scheme)
	}
	return slices.ContainsFunc(r.ports, func(x [2]uint16) bool { return x[0] <= port && port <= x[1] })
}

// read takes a URL apart and puts it together again in its one spelling.
func read(raw string) (*Target, error) {
	if len(raw) > MaxURL {
		return nil, httpclient.Fail(httpclient.RequestURITooLong, "a URL of %d bytes, %d allowed", len(raw), MaxURL)
	}
	bad := func(why string) error {
		return httpclient.Fail(httpclient.RequestURIInvalid, "%q: %s", clip.Text(raw, maxShown), why)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, bad("it is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("want http:// or https://")
	case u.Opaque != "" || u.Host == "":
		return nil, bad("it names no host")
	case u.User != nil:
		return nil, bad("credentials belong into the header Authorization, not into the URL")
	}
	host, err := netaddr.ParseHost(u.Hostname())
	if err != nil {
		return nil, bad(err.Error())
	}
	if strings.HasPrefix(u.Host, "[") != strings.Contains(u.Hostname(), ":") {
		return nil, bad("only IPv6 addresses stand in brackets")
	}
	t := &Target{URL: u, Host: host, Port: defaultPort(u.Scheme)}
	if text := u.Port(); text != "" {
		low, high, err := netaddr.ParsePorts(text)
		if err != nil || low != high {
			return nil, bad("its port is none")
		}
		t.Port = low
	}
	if u.Host = host.String(); t.Port != defaultPort(u.Scheme) {
		u.Host += ":" + strconv.Itoa(int(t.Port))
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20") // which would end the target of a request line
	return t, nil
}

func defaultPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

// maxShown is how many bytes of a request errors repeat.
const maxShown = 200

// Connect says whether a connection to an address may be made.
func (r *Rules) Connect(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	if err := r.connect(a); err != nil {
		return err
	}
	for _, v4 := range inner(a) {
		if err := r.connect(v4); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rules) connect(a netip.Addr) error {
	what := special(a)
	if what == "" {
		own, err := r.isOwn(a)
		switch {
		case err != nil:
			return httpclient.Fail(httpclient.InternalError, "the addresses of this machine: %v", err)
		case !own:
			return nil
		}
		what = "an address of this machine"
	}
	alone := metadata[a]
	for _, n := range r.networks {
		if n.Contains(a) && (!alone || n.IsSingleIP()) {
			return nil
		}
	}
	return httpclient.Fail(httpclient.DestinationProhibited, "%s is %s; the link allows it with allowed_networks=%s", a,
		what, netip.PrefixFrom(a, a.BitLen()))
}

// isOwn reports whether an address is one of this machine, whose services need not be meant for actors.
func (r *Rules) isOwn(a netip.Addr) (bool, error) {
	if r.own == nil {
		return false, nil
	}
	all, err := r.own()
	if err != nil {
		return false, err
	}
	for _, own := range all {
		if n, ok := own.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a {
				return true, nil
			}
		}
	}
	return false, nil
}
