package signing

import (
	"encoding/json"
	"math"
)

// scanner reads JSON without reflection, for the claims of invocations, which are read on every call. Its methods
// report whether the input was well formed; after false nothing more may be read.
type scanner struct {
	data []byte
	pos  int
}

// maxSkipDepth bounds the nesting of values that nobody asked for.
const maxSkipDepth = 32

// peek returns the next byte that is no white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// take consumes c if it comes next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return false
	}
	s.pos++
	return true
}

// end reports whether nothing but white space is left.
func (s *scanner) end() bool {
	s.peek()
	return s.pos == len(s.data)
}

// object reads an object and calls field for each key, which must consume the value.
func (s *scanner) object(field func(key []byte) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		var key []byte
		if !s.str(&key) || !s.take(':') || !field(key) {
			return false
		}
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// text reads a string, or null as no string.
func (s *scanner) text(dst *[]byte) bool {
	if s.peek() == 'n' {
		*dst = nil
		return s.word("null")
	}
	return s.str(dst)
}

// str reads a string. Without escapes the result points into the input.
func (s *scanner) str(dst *[]byte) bool {
	if !s.take('"') {
		return false
	}
	start, escaped := s.pos, false
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			*dst = s.data[start:s.pos]
			s.pos++
			if !escaped {
				return true
			}
			var text string
			if json.Unmarshal(s.data[start-1:s.pos], &text) != nil {
				return false
			}
			*dst = []byte(text)
			return true
		case c == '\\':
			escaped = true
			s.pos += 2
		case c < 0x20:
			return false
		default:
			s.pos++
		}
	}
	return false
}

// number reads an unsigned whole number, or null as no number.
func (s *scanner) number(dst *optional) bool {
	if s.peek() == 'n' {
		*dst = optional{}
		return s.word("null")
	}
	start := s.pos
	var n uint64
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		if c < '0' || c > '9' {
			break
		}
		if n > (math.MaxUint64-9)/10 {
			return false
		}
		n = n*10 + uint64(c-'0')
		s.pos++
	}
	*dst = optional{n, true}
	// What follows must be a delimiter, which the caller looks for: 1.5 and 1e9 fail there.
	return s.pos > start && (s.data[start] != '0' || s.pos == start+1)
}

// skip passes over any value.
func (s *scanner) skip() bool { return s.skipValue(maxSkipDepth) }

func (s *scanner) skipValue(depth int) bool {
	if depth == 0 {
		return false
	}
	switch c := s.peek(); c {
	case '{':
		return s.object(func([]byte) bool { return s.skipValue(depth - 1) })
	case '[':
		s.pos++
		if s.take(']') {
			return true
		}
		for {
			if !s.skipValue(depth - 1) {
				return false
			}
			if s.take(']') {
				return true
			}
			if !s.take(',') {
				return false
			}
		}
	case '"':
		var ignored []byte
		return s.str(&ignored)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		start := s.pos
		for s.pos < len(s.data) && isNumberByte(s.data[s.pos]) {
			s.pos++
		}
		return json.Valid(s.data[start:s.pos])
	}
}

func (s *scanner) word(w string) bool {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

func isNumberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
