package egress

import "net/netip"

// block is a range of addresses that are not of the public Internet.
type block struct {
	prefix netip.Prefix
	what   string
}

// blocks are the special-purpose addresses of IANA's registries that are not reachable for all, those for particular
// uses first.
var blocks = func() []block {
	var all []block
	for _, b := range []struct{ prefix, what string }{
		{"127.0.0.0/8", "a loopback address"},
		{"0.0.0.0/8", "an address of this machine"},
		{"10.0.0.0/8", "a private address"},
		{"172.16.0.0/12", "a private address"},
		{"192.168.0.0/16", "a private address"},
		{"100.64.0.0/10", "a shared address behind a carrier's NAT"},
		{"169.254.0.0/16", "a link-local address"},
		{"192.0.0.0/24", "an address for protocols"},
		{"192.0.2.0/24", "an address for documentation"},
		{"192.88.99.0/24", "a relay of 6to4"},
		{"198.18.0.0/15", "an address for measurements"},
		{"198.51.100.0/24", "an address for documentation"},
		{"203.0.113.0/24", "an address for documentation"},
		{"224.0.0.0/4", "a multicast address"},
		{"240.0.0.0/4", "a reserved address"},
		{"::1/128", "a loopback address"},
		{"::/128", "an address of this machine"},
		{"::/96", "an IPv4 address in an outdated form"},
		{"::ffff:0:0:0/96", "an IPv4 address behind a translator"},
		{"64:ff9b::/96", "an IPv4 address behind NAT64"},
		{"64:ff9b:1::/48", "an IPv4 address behind NAT64"},
		{"fe80::/10", "a link-local address"},
		{"fec0::/10", "a site-local address"},
		{"fc00::/7", "a private address"},
		{"ff00::/8", "a multicast address"},
		{"2001::/32", "an IPv4 address in Teredo"},
		{"2001::/23", "an address for protocols"},
		{"2001:db8::/32", "an address for documentation"},
		{"2002::/16", "an IPv4 address in 6to4"},
		{"3fff::/20", "an address for documentation"},
	} {
		all = append(all, block{netip.MustParsePrefix(b.prefix), b.what})
	}
	return all
}()

// global are the only addresses of IPv6 that are given out for the public Internet.
var global = netip.MustParsePrefix("2000::/3")

// metadata are the addresses at which clouds give machines their credentials. Only a network of one address allows one.
var metadata = func() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for _, a := range []string{
		"169.254.169.254",    // most clouds
		"169.254.170.2",      // tasks of Amazon ECS
		"169.254.170.23",     // pods of Amazon EKS
		"169.254.169.253",    // Amazon's resolver
		"fd00:ec2::254",      // Amazon
		"fd00:ec2::23",       // pods of Amazon EKS
		"fd20:ce::254",       // Google
		"100.100.100.200",    // Alibaba
		"fd00:100::100:200",  // Alibaba
		"192.0.0.192",        // Oracle, in former times
		"fd00:c1::a9fe:a9fe", // Oracle
		"168.63.129.16",      // Azure, though it is a public address
		"169.254.42.42",      // Scaleway
		"fd00:42::42",        // Scaleway
		"169.254.0.23",       // Tencent
		"fd00:a9fe:a9fe::1",  // Akamai
		"fe80::a9fe:a9fe",    // OpenStack
	} {
		all[netip.MustParseAddr(a)] = true
	}
	return all
}()

// special says what kind of address that is not public a is; "": it is public.
func special(a netip.Addr) string {
	if metadata[a] {
		return "the address of a cloud's metadata"
	}
	for _, b := range blocks {
		if b.prefix.Contains(a) {
			return b.what
		}
	}
	if a.Is6() && !global.Contains(a) {
		return "a reserved address"
	}
	return ""
}

// inner are the IPv4 addresses that an IPv6 address leads to by way of a translator or tunnel, wherever they may be
// written in it.
func inner(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	at := func(i ...int) netip.Addr { return netip.AddrFrom4([4]byte{b[i[0]], b[i[1]], b[i[2]], b[i[3]]}) }
	in := func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(a) }
	switch {
	case in("::/96") && !in("::/127"), in("::ffff:0:0:0/96"), in("64:ff9b::/96"):
		return []netip.Addr{at(12, 13, 14, 15)}
	case in("64:ff9b:1::/48"): // by RFC 6052 for each length of the prefix from 48 to 96
		return []netip.Addr{at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), at(12, 13, 14, 15)}
	case in("2002::/16"):
		return []netip.Addr{at(2, 3, 4, 5)}
	case in("2001::/32"):
		c := netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
		return []netip.Addr{at(4, 5, 6, 7), c} // its server and its client
	}
	return nil
}
