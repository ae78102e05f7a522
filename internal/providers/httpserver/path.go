package httpserver

import "strings"

// canonicalPath is the form of an escaped path in which routes are compared: segments are decoded and encoded again in
// one way, so that "/caf%C3%A9", "/caf%c3%a9" and "/café" are one path, an escaped slash stays part of its segment,
// doubled slashes count once, and dot segments are resolved, escaped ones too, never beyond the root (RFC 3986,
// sections 5.2.4 and 6.2.2). What is no escape stands for itself. The result begins with a slash, and ends with one
// where the path does.
func canonicalPath(path string) string {
	if isCanonical(path) {
		return path
	}
	out := make([]byte, 0, len(path)+8)
	for rest := path; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		start := len(out)
		out = append(out, '/')
		for i := 0; i < len(segment); i++ {
			c := segment[i]
			if c == '%' && i+2 < len(segment) && isHex(segment[i+1]) && isHex(segment[i+2]) {
				c, i = unhex(segment[i+1])<<4|unhex(segment[i+2]), i+2
			}
			if stands[c] {
				out = append(out, c)
			} else {
				out = append(out, '%', upperHex[c>>4], upperHex[c&15])
			}
		}
		switch string(out[start+1:]) {
		case "", ".":
			out = out[:start]
		case "..":
			out = out[:max(0, strings.LastIndexByte(string(out[:start]), '/'))]
		}
	}
	if len(out) == 0 || endsInDirectory(path) {
		out = append(out, '/')
	}
	return string(out)
}

// endsInDirectory reports whether a path ends with a slash, or with a dot segment, which stands for one.
func endsInDirectory(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	last = strings.ReplaceAll(strings.ReplaceAll(last, "%2e", "."), "%2E", ".")
	return last == "" || last == "." || last == ".."
}

// isCanonical reports whether a path has nothing that canonicalPath would change. It may report false for some that
// have not.
func isCanonical(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		c := path[i]
		if !stands[c] && c != '/' || i > 0 && path[i-1] == '/' && (c == '/' || c == '.') {
			return false
		}
	}
	return true
}

const upperHex = "0123456789ABCDEF"

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// stands are the bytes that stand for themselves in a segment (RFC 3986, section 3.3: pchar without escapes).
var stands = func() (set [256]bool) {
	for _, c := range []byte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~!$&'()*+,;=:@") {
		set[c] = true
	}
	return set
}()
