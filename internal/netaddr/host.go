package netaddr

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Host is the host of a URL in its one spelling: a name or an address, never both.
type Host struct {
	Name string // in lower case and ASCII, without a dot at the end
	Addr netip.Addr
}

// String is how the host stands in a URL, an IPv6 address in brackets.
func (h Host) String() string {
	switch {
	case h.Name != "":
		return h.Name
	case h.Addr.Is6():
		return "[" + h.Addr.String() + "]"
	}
	return h.Addr.String()
}

// names reads international names as browsers do.
var names = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.StrictDomainName(false))

// ParseHost reads the host of a URL without its brackets. IPv4 addresses that are written in IPv6 are IPv4 addresses.
// It refuses what resolvers read in different ways: numbers that are no dotted IPv4 address (2130706433, 0x7f.1, 127.1,
// 0177.0.0.1), zones of IPv6, empty parts of a name.
func ParseHost(s string) (Host, error) {
	if strings.Contains(s, ":") {
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil:
			return Host{}, errors.New("it is no IPv6 address")
		case a.Zone() != "":
			return Host{}, errors.New("an IPv6 address with a zone is of one machine")
		}
		return Host{Addr: a.Unmap()}, nil
	}
	name := strings.ToLower(s)
	if strings.Contains(name, "xn--") || strings.ContainsFunc(name, func(c rune) bool { return c > '~' }) {
		ascii, err := names.ToASCII(s)
		if err != nil || !utf8.ValidString(s) {
			return Host{}, errors.New("it is no international name")
		}
		name = ascii
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return Host{}, errors.New("a name has at most 253 letters")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return Host{}, errors.New("a name is made of letters, digits, '-' and '_', with dots between")
		}
		last = label
	}
	if !number(last) {
		return Host{Name: name}, nil
	}
	a, err := netip.ParseAddr(name)
	if err != nil {
		return Host{}, errors.New("an IPv4 address is written as four decimal numbers")
	}
	return Host{Addr: a}, nil
}

// number reports whether the last part of a name makes resolvers read all of it as an IPv4 address.
func number(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// Pattern is a set of hosts, of one scheme and port where it says so: "example.com", "*.example.com:8443",
// "http://10.0.0.7", "*".
type Pattern struct {
	Scheme string // "" is not said
	Any    bool   // any name, but no address; Host is empty
	Host   Host
	Below  bool   // the names below the host's, of any depth, and not that itself
	Port   uint16 // 0 is not said
}

// ParsePattern reads a pattern.
func ParsePattern(s string) (p Pattern, err error) {
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		if p.Scheme, rest = strings.ToLower(scheme), after; p.Scheme != "http" && p.Scheme != "https" {
			return p, errors.New("the scheme is http or https")
		}
	}
	if i := strings.IndexAny(rest, "/?#@\\"); i >= 0 {
		return p, fmt.Errorf("a host has no path and no user; want %q", s[:len(s)-len(rest)+i])
	}
	host, port, ok := rest, "", false
	if end := strings.LastIndex(rest, "]"); strings.HasPrefix(rest, "[") && end > 0 {
		host, port = rest[1:end], rest[end+1:]
		if port, ok = strings.CutPrefix(port, ":"); !ok && port != "" {
			return p, errors.New("want [IPv6]:PORT")
		}
		if !strings.Contains(host, ":") {
			return p, errors.New("only IPv6 addresses stand in brackets")
		}
	} else if strings.Count(rest, ":") == 1 {
		host, port, ok = strings.Cut(rest, ":")
	}
	if ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return p, fmt.Errorf("%q is no port; want 1 to 65535", port)
		}
		p.Port = uint16(n)
	}
	if host == "*" {
		p.Any = true
		return p, nil
	}
	host, p.Below = strings.CutPrefix(host, "*.")
	if p.Host, err = ParseHost(host); err != nil {
		return p, err
	}
	if p.Below && p.Host.Name == "" {
		return p, errors.New("nothing is below an address")
	}
	return p, nil
}

// String is the pattern in its one spelling.
func (p Pattern) String() string {
	host := p.Host.String()
	switch {
	case p.Any:
		host = "*"
	case p.Below:
		host = "*." + host
	}
	if p.Scheme != "" {
		host = p.Scheme + "://" + host
	}
	if p.Port != 0 {
		host += ":" + strconv.Itoa(int(p.Port))
	}
	return host
}

// Has reports whether a host is one of the pattern's, whatever its scheme and port.
func (p Pattern) Has(h Host) bool {
	switch {
	case p.Any:
		return h.Name != ""
	case p.Below:
		return strings.HasSuffix(h.Name, "."+p.Host.Name)
	}
	return p.Host == h
}

// ParsePorts reads a port of TCP, or a range of them: "443", "8000-8099".
func ParsePorts(s string) (low, high uint16, err error) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		to = from
	}
	a, errA := strconv.ParseUint(from, 10, 16)
	b, errB := strconv.ParseUint(to, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return 0, 0, errors.New("want a port, 1 to 65535, or a range as 8000-8099")
	}
	return uint16(a), uint16(b), nil
}
