package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weftlattice/weft/lattice"
)

const (
	tokenHeader = `{"typ":"jwt","alg":"Ed25519"}`
	// wascapRevision is the revision of the claims that weft writes. From this one on, a wrong module hash is a
	// refusal.
	wascapRevision = 3
	// maxTokenBytes bounds the tokens of modules and archives, maxInvocationToken those of invocations.
	maxTokenBytes      = 1 << 20
	maxInvocationToken = 64 << 10
)

var (
	tokenEncoding = base64.RawURLEncoding.Strict()
	headerSegment = tokenEncoding.EncodeToString([]byte(tokenHeader)) + "."
)

// signToken returns the compact token: header, claims and signature.
func signToken(key KeyPair, claims []byte) string {
	b := make([]byte, 0, len(headerSegment)+tokenEncoding.EncodedLen(len(claims))+1+
		tokenEncoding.EncodedLen(ed25519.SignatureSize))
	b = append(b, headerSegment...)
	b = tokenEncoding.AppendEncode(b, claims)
	sig := key.Sign(b)
	b = append(b, '.')
	b = tokenEncoding.AppendEncode(b, sig)
	return string(b)
}

// token is a compact token taken apart, its signature not yet checked.
type token struct {
	signed []byte // header.claims, as sent
	claims []byte // decoded JSON
	sig    [ed25519.SignatureSize]byte
}

// splitToken takes a compact token apart and checks its header. One token has one spelling: padding, line breaks and
// stray bits are refused. A failure is ErrTokenMalformed.
func splitToken(s string, limit int) (t token, err error) {
	if len(s) > limit {
		return t, malformed("token is too long")
	}
	if strings.ContainsAny(s, "\r\n") {
		return t, malformed("token contains a line break")
	}
	first := strings.IndexByte(s, '.')
	last := strings.LastIndexByte(s, '.')
	if first < 0 || first == last || strings.IndexByte(s[first+1:last], '.') >= 0 {
		return t, malformed("want three segments")
	}
	raw := []byte(s)
	if !strings.HasPrefix(s, headerSegment) {
		if err := checkHeader(raw[:first]); err != nil {
			return t, err
		}
	}
	if len(raw)-last-1 != tokenEncoding.EncodedLen(len(t.sig)) {
		return t, malformed("signature has the wrong length")
	}
	if _, err := tokenEncoding.Decode(t.sig[:], raw[last+1:]); err != nil {
		return t, malformed("signature is not base64url without padding")
	}
	t.signed = raw[:last]
	t.claims, err = tokenEncoding.AppendDecode(make([]byte, 0, len(raw)), raw[first+1:last])
	if err != nil {
		return t, malformed("claims are not base64url without padding")
	}
	return t, nil
}

func checkHeader(segment []byte) error {
	raw, err := tokenEncoding.AppendDecode(nil, segment)
	if err != nil {
		return malformed("header is not base64url without padding")
	}
	var h struct{ Typ, Alg string }
	if err := json.Unmarshal(raw, &h); err != nil {
		return malformed("header is not JSON")
	}
	if h.Typ != "jwt" || h.Alg != "Ed25519" {
		return malformed(`header must have typ "jwt" and alg "Ed25519"`)
	}
	return nil
}

// checkTimes refuses a token that is no longer or not yet valid. Nil means no bound.
func checkTimes(exp, nbf *uint64, now time.Time) error {
	n := uint64(max(now.Unix(), 0))
	if exp != nil && *exp < n {
		return &lattice.Error{Code: lattice.ErrTokenExpired, Detail: "expired at " + humanTime(*exp)}
	}
	if nbf != nil && *nbf > n {
		return &lattice.Error{Code: lattice.ErrTokenNotYetValid, Detail: "valid from " + humanTime(*nbf)}
	}
	return nil
}

// verifyToken checks the signature against the public key of the issuer.
func verifyToken(t *token, key ed25519.PublicKey) error {
	if !ed25519.Verify(key, t.signed, t.sig[:]) {
		return &lattice.Error{Code: lattice.ErrTokenSignature}
	}
	return nil
}

// humanTime prints seconds since the epoch.
func humanTime(sec uint64) string {
	const year9999 = 253402300799
	return time.Unix(int64(min(sec, year9999)), 0).UTC().Format(time.RFC3339)
}

func malformed(detail string) error {
	return &lattice.Error{Code: lattice.ErrTokenMalformed, Detail: detail}
}

// during says what was being done to what when err came up.
func during(err error, op, entity string) error {
	if e, ok := err.(*lattice.Error); ok {
		e.Op, e.Entity = op, entity
	}
	return err
}

// appendString appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(b, s[start:i]...)
				b = append(b, "\ufffd"...)
				start = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\b':
			b = append(b, '\\', 'b')
		case '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendField appends ,"key":"value", the comma left out at the begin of an object.
func appendField(b []byte, key, value string) []byte {
	return appendString(appendKey(b, key), value)
}

// appendKey appends ,"key": likewise. The key needs no escape.
func appendKey(b []byte, key string) []byte {
	if !bytes.HasSuffix(b, []byte("{")) {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, key...)
	return append(b, '"', ':')
}

func appendStrings[S ~string](b []byte, list []S) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(s))
	}
	return append(b, ']')
}
