package http1

import (
	"bytes"
	"net"
	"strings"
	"unsafe"
)

// Request is a plain request. Its texts and its body are part of the connection's buffer: they are valid until the
// handler returns.
type Request struct {
	Method string  // a token in upper case
	Path   string  // escaped, as it came, with the leading slash
	Query  string  // raw, without the question mark; "" when there is none
	Host   string  // not empty
	Header []Field // all but the host, in the order in which they came
	Body   []byte  // nil when there is none

	Conn net.Conn // as the listener made it

	close bool // the client wants the connection closed after the answer
}

// Field is a header of a request: its name in lower case, its value without the space around it.
type Field struct{ Name, Value string }

// Value returns the value of the first header with that name in lower case; "" when there is none.
func (r *Request) Value(name string) string {
	for i := range r.Header {
		if r.Header[i].Name == name {
			return r.Header[i].Value
		}
	}
	return ""
}

// Fields yields the header.
func (r *Request) Fields(yield func(name, value string) bool) {
	for i := range r.Header {
		if !yield(r.Header[i].Name, r.Header[i].Value) {
			return
		}
	}
}

// Bounds of what is plain. net/http serves what exceeds them.
const (
	maxHead   = 8 << 10
	maxBody   = 48 << 10
	maxFields = 64
	maxMethod = 16
)

// verdict says what is at the front of a buffer.
type verdict int

const (
	incomplete verdict = iota // perhaps a plain request, whose rest has not come
	plain
	other
)

// parse reads the request at the front of b, and says how many bytes it has. It writes to b: names become lower case.
// most bounds the bytes of the head.
func (r *Request) parse(b []byte, most int) (size int, v verdict) {
	r.Method, r.Path, r.Query, r.Host, r.Header, r.Body, r.close = "", "", "", "", r.Header[:0], nil, false
	most = min(most, maxHead)
	end := bytes.Index(b[:min(len(b), most)], []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) >= most || !mayBePlain(b) {
			return 0, other
		}
		return 0, incomplete
	}
	line, rest, _ := bytes.Cut(b[:end+2], []byte("\r\n"))
	if !r.parseLine(line) {
		return 0, other
	}
	length := -1
	for len(rest) > 0 {
		if line, rest, _ = bytes.Cut(rest, []byte("\r\n")); !r.parseField(line, &length) {
			return 0, other
		}
	}
	if r.Host == "" {
		return 0, other
	}
	size = end + 4
	if length > 0 {
		if len(b)-size < length {
			return 0, incomplete
		}
		r.Body = b[size : size+length : size+length]
		size += length
	}
	return size, plain
}

// mayBePlain reports whether a request line may begin like that.
func mayBePlain(b []byte) bool {
	for i, c := range b[:min(len(b), maxMethod)] {
		if c == ' ' && i > 0 {
			return true
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return len(b) < maxMethod
}

// parseLine reads "METHOD /path?query HTTP/1.1".
func (r *Request) parseLine(line []byte) bool {
	target, ok := bytes.CutSuffix(line, []byte(" HTTP/1.1"))
	if !ok {
		return false
	}
	n := bytes.IndexByte(target, ' ')
	if n < 1 || n > maxMethod || n+1 >= len(target) || target[n+1] != '/' {
		return false
	}
	for _, c := range target[:n] {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	r.Method = text(target[:n])
	if r.Method == "CONNECT" || r.Method == "PRI" {
		return false
	}
	path := target[n+1:]
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		for _, c := range path[i+1:] {
			if c <= ' ' || c >= 0x7f {
				return false
			}
		}
		r.Query, path = text(path[i+1:]), path[:i]
	}
	for i, c := range path {
		switch {
		case chars[c]&inPath != 0:
		case c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]):
		default:
			return false
		}
	}
	r.Path = text(path)
	return true
}

// parseField reads "Name: value". It reports false for those that are not plain, and for those that would make the
// request or the connection something else.
func (r *Request) parseField(line []byte, length *int) bool {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || len(r.Header) == maxFields {
		return false
	}
	name := line[:colon]
	for i, c := range name {
		if chars[c]&inName == 0 {
			return false
		}
		name[i] = lower[c]
	}
	value := line[colon+1:]
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	f := Field{text(name), text(bytes.Trim(value, " \t"))}
	switch f.Name {
	case "host":
		if r.Host != "" || !plainHost(f.Value) {
			return false
		}
		r.Host = f.Value
		return true
	case "content-length":
		if *length >= 0 {
			return false
		}
		if *length = digits(f.Value); *length < 0 || *length > maxBody {
			return false
		}
	case "connection":
		switch {
		case strings.EqualFold(f.Value, "keep-alive"):
		case strings.EqualFold(f.Value, "close"):
			r.close = true
		default:
			return false
		}
	// pragma: net/http makes cache-control of it
	case "transfer-encoding", "expect", "upgrade", "trailer", "http2-settings", "pragma":
		return false
	}
	r.Header = append(r.Header, f)
	return true
}

// digits reads a number of at most nine digits; -1 when it is none.
func digits(s string) int {
	if s == "" || len(s) > 9 {
		return -1
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = 10*n + int(s[i]-'0')
	}
	return n
}

// plainHost: letters, digits, and what else names, addresses and ports have.
func plainHost(s string) bool {
	for i := range len(s) {
		if chars[s[i]]&inHost == 0 {
			return false
		}
	}
	return s != ""
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// Classes of characters.
const (
	inName = 1 << iota // RFC 9110, section 5.6.2: token
	inPath             // RFC 3986, section 3.3: what stands in a path for itself, and the slash
	inHost
)

var chars, lower = func() (class, lower [256]byte) {
	mark := func(set string, bit byte) {
		for i := range len(set) {
			class[set[i]] |= bit
		}
	}
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	mark(alnum+"!#$%&'*+-.^_`|~", inName)
	mark(alnum+"-._~!$&'()*+,;=:@/", inPath)
	mark(alnum+"-._:[]", inHost)
	for i := range lower {
		lower[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			lower[i] += 'a' - 'A'
		}
	}
	return class, lower
}()

// text makes a string of bytes that do not change while it is in use.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
