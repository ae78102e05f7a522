package httpserver

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	contract "github.com/weftlattice/weft/lattice/contract/httpserver"
)

// Ways in which trusted proxies tell whose requests they pass on. One counts, since a proxy that writes the one passes
// the other on as clients have made it up.
const (
	tellX        = "x-forwarded" // X-Forwarded-For, -Proto and -Host
	tellStandard = "forwarded"   // Forwarded, RFC 7239
)

// origin is where a request comes from.
type origin struct {
	client netip.Addr // whose share counts; the zero Addr: no share, since the request is a proxy's own
	chain  string     // ForwardedFor
	scheme string     // ForwardedProto
	host   string     // ForwardedHost; "": it is the Host header
}

// asserted reports whether clients and proxies use a header to say where a request comes from, so that an actor may
// only see what this provider has made of it.
func asserted(name string) bool {
	switch {
	case name == "":
	case name[0] == 'x':
		return strings.HasPrefix(name, "x-forwarded-") || name == "x-real-ip"
	case name[0] == 'f':
		return name == "forwarded"
	}
	return false
}

// proxies are the proxies that a listener trusts.
type proxies struct {
	networks []netip.Prefix
	tell     string // tellX or tellStandard
}

func (p *proxies) trust(a netip.Addr) bool {
	return slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// node is a machine that has passed a request on, or made it, as the next one says.
type node struct {
	address netip.Addr
	scheme  string
	host    string
}

// origin finds where a request comes from that a trusted proxy has passed on. direct is the proxy; each yields the
// header with names in lower case. From the near end, nodes are believed as long as a trusted one names them.
func (p *proxies) origin(direct origin, proxy netip.Addr, each func(yield func(name, value string) bool)) origin {
	nodes := p.nodes(each)
	o := direct
	at := len(nodes)
	for client := proxy; at > 0 && nodes[at-1].address.IsValid() && p.trust(client); at-- {
		client = nodes[at-1].address
		o.client = clientOf(client)
	}
	if at == len(nodes) { // it names no client
		if at > 0 {
			o.scheme, o.host = told(nodes[at-1], direct)
		}
		return o
	}
	chain := make([]string, 0, len(nodes)-at+1)
	for _, n := range nodes[at:] {
		chain = append(chain, n.address.String())
	}
	o.chain = strings.Join(append(chain, direct.chain), ", ")
	o.scheme, o.host = told(nodes[at], direct)
	return o
}

// told is what a node says of scheme and host, where it says something that can be.
func told(n node, direct origin) (scheme, host string) {
	scheme, host = direct.scheme, ""
	if s := strings.ToLower(n.scheme); s == "http" || s == "https" {
		scheme = s
	}
	if h := n.host; h != "" && len(h) <= 300 &&
		strings.Trim(h, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]") == "" {
		host = h
	}
	return scheme, host
}

// nodes reads the header, the far end first.
func (p *proxies) nodes(each func(yield func(name, value string) bool)) []node {
	var addresses, schemes, hosts, standard []string
	each(func(name, value string) bool {
		switch name {
		case contract.ForwardedFor:
			addresses = append(addresses, strings.Split(value, ",")...)
		case contract.ForwardedProto:
			schemes = append(schemes, strings.Split(value, ",")...)
		case contract.ForwardedHost:
			hosts = append(hosts, strings.Split(value, ",")...)
		case "forwarded":
			standard = append(standard, value)
		}
		return true
	})
	if p.tell == tellStandard {
		return parseForwarded(standard)
	}
	nodes := make([]node, max(len(addresses), min(1, max(len(schemes), len(hosts)))))
	for i := range nodes {
		fromEnd := len(nodes) - i
		n := &nodes[i]
		if fromEnd <= len(addresses) {
			n.address = parseNode(addresses[len(addresses)-fromEnd])
		}
		n.scheme, n.host = fromRight(schemes, fromEnd), fromRight(hosts, fromEnd)
	}
	return nodes
}

// fromRight is the n-th element from the right, or the leftmost of fewer: a proxy may have replaced what those before
// it said.
func fromRight(list []string, n int) string {
	if len(list) == 0 {
		return ""
	}
	return strings.TrimSpace(list[max(0, len(list)-n)])
}

// parseNode reads the address of a node, with or without a port; the zero Addr when it has none that is known.
func parseNode(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// parseForwarded reads the elements of a Forwarded header. It splits at every comma and semicolon, quoted or not: none
// of what is read has one, and so what a client makes up cannot swallow what a proxy adds behind it. What is malformed
// is a node without an address.
func parseForwarded(values []string) []node {
	var nodes []node
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			var n node
			for pair := range strings.SplitSeq(element, ";") {
				name, value, _ := strings.Cut(pair, "=")
				value = strings.Trim(strings.TrimSpace(value), `"`)
				switch strings.ToLower(strings.TrimSpace(name)) {
				case "for":
					n.address = parseNode(value)
				case "proto":
					n.scheme = value
				case "host":
					n.host = value
				}
			}
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// clientOf is the client for which the holdings of an address count: an IPv4 address, or the /64 that one site has of
// IPv6.
func clientOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
