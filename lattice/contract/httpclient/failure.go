package httpclient

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Failure is why a request got no answer. Its text is "NAME(NUMBER WORD): TEXT", without what is not known:
//
//	DNS-error(NXDOMAIN): no such host: api.example.com
//	HTTP-response-body-size(1048577): the response has more than the 1048576 bytes that the link allows
//	HTTP-request-denied: the link allows no host evil.example
//
// So guests whose interface has only a text for errors can tell failures apart, too.
type Failure struct {
	Name string // of WASI's error-code, one of the constants below
	// Number is a size, or the number of a TLS alert; negative: not known.
	Number int64
	// Word is the response code of DNS, the words of a TLS alert, the name of a header or of a coding. The text has at
	// most some 500 bytes of it.
	Word string
	Text string // for people
}

// The names of wasi:http/types error-code.
const (
	DNSTimeout               = "DNS-timeout"
	DNSError                 = "DNS-error"
	DestinationUnavailable   = "destination-unavailable"
	DestinationProhibited    = "destination-IP-prohibited"
	DestinationUnroutable    = "destination-IP-unroutable"
	ConnectionRefused        = "connection-refused"
	ConnectionTerminated     = "connection-terminated"
	ConnectionTimeout        = "connection-timeout"
	ConnectionReadTimeout    = "connection-read-timeout"
	ConnectionWriteTimeout   = "connection-write-timeout"
	ConnectionLimitReached   = "connection-limit-reached"
	TLSProtocolError         = "TLS-protocol-error"
	TLSCertificateError      = "TLS-certificate-error"
	TLSAlertReceived         = "TLS-alert-received"
	RequestDenied            = "HTTP-request-denied"
	RequestBodySize          = "HTTP-request-body-size"
	RequestMethodInvalid     = "HTTP-request-method-invalid"
	RequestURIInvalid        = "HTTP-request-URI-invalid"
	RequestURITooLong        = "HTTP-request-URI-too-long"
	RequestHeaderSize        = "HTTP-request-header-section-size"
	ResponseIncomplete       = "HTTP-response-incomplete"
	ResponseHeaderSize       = "HTTP-response-header-section-size"
	ResponseBodySize         = "HTTP-response-body-size"
	ResponseTransferCoding   = "HTTP-response-transfer-coding"
	ResponseTimeout          = "HTTP-response-timeout"
	UpgradeFailed            = "HTTP-upgrade-failed"
	ProtocolError            = "HTTP-protocol-error"
	LoopDetected             = "loop-detected"
	ConfigurationError       = "configuration-error"
	InternalError            = "internal-error"
	DestinationNotFound      = "destination-not-found"
	RequestLengthRequired    = "HTTP-request-length-required"
	RequestHeaderFieldSize   = "HTTP-request-header-size"
	RequestTrailersSize      = "HTTP-request-trailer-section-size"
	RequestTrailerFieldSize  = "HTTP-request-trailer-size"
	ResponseHeaderFieldSize  = "HTTP-response-header-size"
	ResponseTrailersSize     = "HTTP-response-trailer-section-size"
	ResponseTrailerFieldSize = "HTTP-response-trailer-size"
	ResponseContentCoding    = "HTTP-response-content-coding"
)

// Names are all cases of wasi:http/types error-code, in its order.
var Names = []string{DNSTimeout, DNSError, DestinationNotFound, DestinationUnavailable, DestinationProhibited,
	DestinationUnroutable, ConnectionRefused, ConnectionTerminated, ConnectionTimeout, ConnectionReadTimeout,
	ConnectionWriteTimeout, ConnectionLimitReached, TLSProtocolError, TLSCertificateError, TLSAlertReceived,
	RequestDenied, RequestLengthRequired, RequestBodySize, RequestMethodInvalid, RequestURIInvalid, RequestURITooLong,
	RequestHeaderSize, RequestHeaderFieldSize, RequestTrailersSize, RequestTrailerFieldSize, ResponseIncomplete,
	ResponseHeaderSize, ResponseHeaderFieldSize, ResponseBodySize, ResponseTrailersSize, ResponseTrailerFieldSize,
	ResponseTransferCoding,
	ResponseContentCoding, ResponseTimeout, UpgradeFailed, ProtocolError, LoopDetected, ConfigurationError,
	InternalError}

// Fail makes a Failure that has no number and no word.
func Fail(name, format string, args ...any) *Failure {
	return &Failure{Name: name, Number: -1, Text: fmt.Sprintf(format, args...)}
}

// Sized makes a Failure of something that has so many bytes.
func Sized(name string, bytes int64, format string, args ...any) *Failure {
	f := Fail(name, format, args...)
	f.Number = bytes
	return f
}

// Error is the text.
func (f *Failure) Error() string {
	var b strings.Builder
	b.WriteString(f.Name)
	if f.Number >= 0 || f.Word != "" {
		b.WriteByte('(')
		if f.Number >= 0 {
			b.WriteString(strconv.FormatInt(f.Number, 10))
			if f.Word != "" {
				b.WriteByte(' ')
			}
		}
		word := strings.Map(plain, f.Word)
		b.WriteString(strings.ToValidUTF8(word[:min(len(word), maxWord-maxNumber)], ""))
		b.WriteByte(')')
	}
	b.WriteString(": ")
	b.WriteString(f.Text)
	return b.String()
}

// maxWord bounds what is looked for between the brackets, in bytes: a number of at most maxNumber with a blank, and a
// word.
const maxWord, maxNumber = 512, 20

// plain keeps a word from ending its brackets.
func plain(c rune) rune {
	if c == ')' || c < ' ' {
		return '_'
	}
	return c
}

// ParseFailure finds a Failure in the text of an error, which may say something before it. It takes the first one.
func ParseFailure(text string) (*Failure, bool) {
	for part := text; part != ""; {
		if f, ok := parse(part); ok {
			return f, true
		}
		_, rest, found := strings.Cut(part, ": ")
		if !found {
			break
		}
		part = rest
	}
	return nil, false
}

func parse(s string) (*Failure, bool) {
	end := strings.IndexAny(s, "(:")
	if end < 0 || !slices.Contains(Names, s[:end]) {
		return nil, false
	}
	f := &Failure{Name: s[:end], Number: -1}
	rest := s[end:]
	if inner, ok := strings.CutPrefix(rest, "("); ok {
		close := strings.IndexByte(inner[:min(len(inner), maxWord+1)], ')')
		if close < 0 {
			return nil, false
		}
		f.Word, rest = inner[:close], inner[close+1:]
		number, word, _ := strings.Cut(f.Word, " ")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 {
			f.Number, f.Word = n, word
		}
	}
	text, ok := strings.CutPrefix(rest, ":")
	f.Text = strings.TrimPrefix(text, " ")
	return f, ok
}
