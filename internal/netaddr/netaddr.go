// Package netaddr reads addresses as people write them.
package netaddr

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Network is what net.Listen is to be given for an address, so that it listens where its words say: 0.0.0.0 is all of
// IPv4. With "tcp" Go would listen on all of IPv6 as well. An address without a host is all of both.
func Network(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() && ip.IsUnspecified() {
		return "tcp4"
	}
	return "tcp"
}

// Bracketed says how an IPv6 address with a port that stands there without brackets is to be written, "[::1]:8080" for
// "::1:8080"; "" for everything else. Whether the last number is a port cannot be known, so that such an address is to
// be refused.
func Bracketed(s string) string {
	i := strings.LastIndexByte(s, ':')
	if i < 1 || strings.HasPrefix(s, "[") {
		return ""
	}
	ip, err := netip.ParseAddr(s[:i])
	if err != nil || !ip.Is6() {
		ip, err = netip.ParseAddr(strings.TrimSuffix(s[:i], ":")) // "::" with a port is ":::8080"
	}
	if port, perr := strconv.ParseUint(s[i+1:], 10, 16); err != nil || !ip.Is6() || perr != nil || port < 10 {
		return ""
	}
	return net.JoinHostPort(ip.String(), s[i+1:])
}
