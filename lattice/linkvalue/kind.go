package linkvalue

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weftlattice/weft/internal/netaddr"
	"github.com/weftlattice/weft/lattice"
)

// Kind says what a value may be.
type Kind struct {
	Name  string                         // for people: "number", "path"
	parse func(text string) (any, error) // the error says what is wanted
	Words []string                       // all that it may be, where they are few
	hide  bool                           // never quoted in errors
}

// Text is any text.
func Text() Kind { return Kind{Name: "text", parse: func(s string) (any, error) { return s, nil }} }

// Secret is text that errors do not quote.
func Secret() Kind {
	k := Text()
	k.Name, k.hide = "secret", true
	return k
}

// File names a file that the provider reads below the folders that its host allows, see package linkfile.
func File() Kind {
	return Kind{Name: "file", parse: func(s string) (any, error) {
		if strings.ContainsRune(s, 0) {
			return nil, wants("want the path of a file")
		}
		return s, nil
	}}
}

// Choice is one of some words.
func Choice(words ...string) Kind {
	return Kind{Name: "word", Words: words, parse: func(s string) (any, error) {
		if !slices.Contains(words, s) {
			return nil, wants("want " + strings.Join(words, " or "))
		}
		return s, nil
	}}
}

// Truth is "true" or "false"; "1", "0" and the like will do.
func Truth() Kind {
	return Kind{Name: "truth", Words: []string{"true", "false"}, parse: func(s string) (any, error) {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return nil, wants("want true or false")
		}
		return b, nil
	}}
}

// Number is a whole number within limits.
func Number(low, high int64) Kind {
	return Kind{Name: "number", parse: func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < low || n > high {
			return nil, wants(fmt.Sprintf("want a number from %d to %d", low, high))
		}
		return n, nil
	}}
}

// Size is a number of bytes within limits, as lattice.ParseSize reads it: "10K" and "2M" will do, in units of 1024.
func Size(low, high int64) Kind {
	return Kind{Name: "size", parse: func(s string) (any, error) {
		n, err := lattice.ParseSize(s)
		if err != nil || int64(n) < low || int64(n) > high {
			return nil, wants(fmt.Sprintf("want a number of bytes from %d to %d", low, high))
		}
		return int64(n), nil
	}}
}

// Span is a length of time, "300ms" or "2m".
func Span(low time.Duration) Kind {
	return Kind{Name: "time", parse: func(s string) (any, error) {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil || d < 0:
			return nil, wants(`want a duration as "300ms" or "2m"`)
		case d < low:
			return nil, wants("want at least " + low.String())
		}
		return d, nil
	}}
}

// Port is that of TCP; 0 lets the system choose one.
func Port() Kind {
	return Kind{Name: "port", parse: func(s string) (any, error) {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return nil, wants("want a port, 1 to 65535")
		}
		return int64(n), nil
	}}
}

// Address is where to listen: "IP:PORT", "IP" or ":PORT", or with a host name for the IP.
func Address() Kind {
	return Kind{Name: "address", parse: func(s string) (any, error) {
		if good := netaddr.Bracketed(s); good != "" {
			return nil, wants("an IPv6 address stands in brackets: " + good + ", or without a port [" + s + "]")
		}
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			host, port = s, ""
		}
		if port != "" {
			if _, err := strconv.ParseUint(port, 10, 16); err != nil {
				return nil, wants(port + " is no port; want 1 to 65535")
			}
		}
		if host = strings.Trim(host, "[]"); host != "" && net.ParseIP(host) == nil && !validHost(host) {
			return nil, wants("want IP:PORT")
		}
		return s, nil
	}}
}

// Host is a host name, or "*." and one; "*" is any. It is read in lower case.
func Host() Kind {
	return Kind{Name: "host", parse: func(s string) (any, error) {
		host := strings.ToLower(strings.TrimSuffix(s, "."))
		if host == "*" {
			return "", nil
		}
		if name := strings.TrimPrefix(host, "*."); net.ParseIP(name) == nil && !validHost(name) {
			return nil, wants(`want a host name without port, or "*." and one`)
		}
		return host, nil
	}}
}

func validHost(s string) bool {
	return len(s) <= 253 && !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		return label == "" || strings.Trim(label,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != ""
	})
}

// Path is the beginning of the paths of URLs, by whole segments, escaped or not: "/caf%C3%A9" and "/café" are one. What
// no request can match is refused: patterns and dot segments. It is read without "/" at its end, unless it is all.
func Path() Kind {
	return Kind{Name: "path", parse: func(s string) (any, error) {
		switch {
		case s[0] != '/' || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
			return nil, wants(`want a path that begins with "/"`)
		case strings.ContainsAny(s, "?#"):
			return nil, wants("a path ends before the query; want " + strconv.Quote(s[:strings.IndexAny(s, "?#")]))
		}
		path := strings.TrimRight(s, "/")
		for at, rest := 0, path; rest != ""; {
			raw, more, _ := strings.Cut(rest[1:], "/")
			segment, err := url.PathUnescape(raw)
			if err != nil { // a percent sign that is meant as one
				segment = raw
			}
			switch {
			case segment == "*" || segment == "**" || strings.ContainsAny(segment, "{}") ||
				strings.HasPrefix(segment, ":"):
				return nil, wants("a path is the beginning of others, not a pattern; want " +
					strconv.Quote(orSlash(path[:at])))
			case segment == "." || segment == "..":
				return nil, wants("clients never send " + segment + " in a path")
			}
			at += 1 + len(raw)
			if rest = ""; more != "" {
				rest = "/" + more
			}
		}
		return orSlash(path), nil
	}}
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// Networks are addresses and networks of IP, separated by commas. They are read as networks, in order, separated by
// commas alone.
func Networks() Kind {
	return Kind{Name: "networks", parse: func(s string) (any, error) {
		var all []string
		for text := range fields(s) {
			n, err := netip.ParsePrefix(text)
			if a, failed := netip.ParseAddr(text); failed == nil {
				n, err = netip.PrefixFrom(a.WithZone(""), a.BitLen()), nil
			}
			if err != nil {
				return nil, wants(strconv.Quote(lattice.Printable(text)) +
					" is no address and no network; want such as 10.0.0.7, 192.0.2.0/24 or 2001:db8::/32, " +
					"separated by commas")
			}
			if a := n.Addr(); a.Is4In6() && n.Bits() >= 96 {
				n = netip.PrefixFrom(a.Unmap(), n.Bits()-96)
			}
			all = append(all, n.Masked().String())
		}
		slices.Sort(all)
		return strings.Join(slices.Compact(all), ","), nil
	}}
}

// fields are the parts of a list, which commas or spaces separate.
func fields(s string) func(yield func(string) bool) {
	return strings.FieldsFuncSeq(s, func(c rune) bool { return c == ',' || c == ' ' })
}

// list is a kind of several parts. It is read as text: the parts as one reads them, in order, separated by commas
// alone.
func list(name string, words []string, one func(part string) (string, error)) Kind {
	return Kind{Name: name, Words: words, parse: func(s string) (any, error) {
		var all []string
		for part := range fields(s) {
			spelt, err := one(part)
			if err != nil {
				return nil, wants(strconv.Quote(lattice.Printable(part)) + ": " + err.Error())
			}
			all = append(all, spelt)
		}
		slices.Sort(all)
		return strings.Join(slices.Compact(all), ","), nil
	}}
}

// Hosts are patterns of hosts, see netaddr.Pattern, separated by commas. They are read as Networks are.
func Hosts() Kind {
	return list("hosts", nil, func(part string) (string, error) {
		p, err := netaddr.ParsePattern(part)
		return p.String(), err
	})
}

// Choices are some of some words, separated by commas.
func Choices(words ...string) Kind {
	return list("words", words, func(part string) (string, error) {
		part = strings.ToLower(part)
		if !slices.Contains(words, part) {
			return "", wants("want " + strings.Join(words, " or "))
		}
		return part, nil
	})
}

// Methods are names of HTTP methods in upper case, separated by commas; "*" is all.
func Methods() Kind {
	return list("methods", nil, func(part string) (string, error) {
		part = strings.ToUpper(part)
		if part != "*" && strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return "", wants("want methods such as GET,POST, or *")
		}
		if part == "CONNECT" {
			return "", wants("no tunnels are made")
		}
		return part, nil
	})
}

// Ports are ports of TCP and ranges of them, "443" and "8000-8099", separated by commas.
func Ports() Kind {
	return list("ports", nil, func(part string) (string, error) {
		low, high, err := netaddr.ParsePorts(part)
		if low == high {
			return strconv.Itoa(int(low)), err
		}
		return fmt.Sprintf("%d-%d", low, high), err
	})
}

// Proxy is the URL of an HTTP proxy, or "environment". It may hold a password.
func Proxy() Kind {
	return Kind{Name: "proxy", hide: true, parse: func(s string) (any, error) {
		u, err := url.Parse(s)
		if s != "environment" && (err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" ||
			strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "") {
			return nil, wants("want http://[USER:PASSWORD@]HOST:PORT, or environment")
		}
		return s, nil
	}}
}

// Certificates are authorities in PEM form, the text itself.
func Certificates() Kind {
	return Kind{Name: "certificates", parse: func(s string) (any, error) {
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(s)) {
			return nil, wants("want certificates in PEM form, which begin with -----BEGIN CERTIFICATE-----")
		}
		return s, nil
	}}
}

// HeaderText is what the value of an HTTP header may be.
func HeaderText() Kind {
	return Kind{Name: "text", parse: func(s string) (any, error) {
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
			return nil, wants("want printable ASCII")
		}
		return s, nil
	}}
}

// Word is a name of letters, digits, '-' and '_'.
func Word() Kind {
	return Kind{Name: "name", parse: func(s string) (any, error) {
		if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || len(s) > 128 {
			return nil, wants("want letters, digits, '-' and '_'")
		}
		return s, nil
	}}
}

// wants is the error of a kind: what it wants.
type wants string

func (w wants) Error() string { return string(w) }

// problem says what is wrong with a value.
func (k Kind) problem(text string, err error) string {
	if k.hide {
		return err.Error()
	}
	said, why := strconv.Quote(lattice.Printable(text)), err.Error()
	if strings.HasPrefix(why, said) {
		return why
	}
	return said + "; " + why
}
