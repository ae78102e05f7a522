package trace

import "strings"

// validState reports whether s is a tracestate: up to 32 members "key=value" with commas between them. Empty members
// are allowed, keys must differ.
func validState(s string) bool {
	if s == "" || len(s) > MaxState {
		return false
	}
	seen := make([]string, 0, 4)
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || !validKey(key) || !validValue(value) || len(seen) == 32 {
			return false
		}
		for _, k := range seen {
			if k == key {
				return false
			}
		}
		seen = append(seen, key)
	}
	return len(seen) > 0
}

// validKey: up to 256 of a-z 0-9 _ - * / and one @, beginning with a letter or digit.
func validKey(k string) bool {
	if k == "" || len(k) > 256 || !isLowerAlnum(k[0]) {
		return false
	}
	at := false
	for i := 1; i < len(k); i++ {
		c := k[i]
		if c == '@' {
			if at || i == len(k)-1 {
				return false
			}
			at = true
		} else if !isLowerAlnum(c) && c != '_' && c != '-' && c != '*' && c != '/' {
			return false
		}
	}
	return true
}

// validValue: up to 256 printable ASCII characters, but no comma and no equals sign.
func validValue(v string) bool {
	if v == "" || len(v) > 256 {
		return false
	}
	for i := range len(v) {
		if c := v[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
