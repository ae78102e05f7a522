package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"reflect"
	"strings"
	"syscall"

	"github.com/weftlattice/weft/lattice"
	contract "github.com/weftlattice/weft/lattice/contract/httpclient"
)

// unreachable says why there is no connection.
func unreachable(address string, err error) error {
	var f *contract.Failure
	var dns *net.DNSError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &dns) && dns.IsTimeout:
		return contract.Fail(contract.DNSTimeout, "%s is not resolved in time", address)
	case errors.As(err, &dns):
		f := contract.Fail(contract.DNSError, "%s is not resolved: %s", address, dns.Err)
		if dns.IsNotFound {
			f.Word = "NXDOMAIN"
		}
		return f
	case errors.Is(err, context.Canceled):
		return err
	case timeout(err):
		return contract.Fail(contract.ConnectionTimeout, "%s does not answer in time", address)
	}
	if f := connection(err); f != nil {
		return f
	}
	return contract.Fail(contract.DestinationUnavailable, "no connection to %s: %v", address, err)
}

// connection reads the errors of the system; nil: it is none of them.
func connection(err error) *contract.Failure {
	for errno, name := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: contract.ConnectionRefused, syscall.ECONNRESET: contract.ConnectionTerminated,
		syscall.ECONNABORTED: contract.ConnectionTerminated, syscall.EPIPE: contract.ConnectionTerminated,
		syscall.ETIMEDOUT: contract.ConnectionTimeout, syscall.EHOSTUNREACH: contract.DestinationUnroutable,
		syscall.ENETUNREACH: contract.DestinationUnroutable, syscall.EADDRNOTAVAIL: contract.DestinationUnroutable,
		syscall.EHOSTDOWN: contract.DestinationUnroutable, syscall.ENETDOWN: contract.DestinationUnroutable,
	} {
		if errors.Is(err, errno) {
			return contract.Fail(name, "%v", errno)
		}
	}
	return nil
}

func timeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// insecure says why TLS did not begin.
func insecure(host string, err error) error {
	var unverified *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &authority):
		return contract.Fail(contract.TLSCertificateError,
			"%s has a certificate of an authority that the link does not trust; see ca_file", host)
	case errors.As(err, &unverified):
		return contract.Fail(contract.TLSCertificateError, "%s has no good certificate: %v", host, unverified.Err)
	case errors.Is(err, context.Canceled):
		return err
	case timeout(err):
		return contract.Fail(contract.ConnectionTimeout, "%s does not agree upon TLS in time", host)
	}
	if f := alert(err); f != nil {
		return f
	}
	if f := connection(err); f != nil {
		return f
	}
	if errors.Is(err, io.EOF) {
		return contract.Fail(contract.ConnectionTerminated, "%s ends the connection when TLS begins", host)
	}
	return contract.Fail(contract.TLSProtocolError, "%s: %v", host, err)
}

// alert reads an alert of TLS that the server has sent, whose type is the library's own; nil: it is none. A server may
// send one after the client believes that TLS has begun.
func alert(err error) *contract.Failure {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return nil
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return nil
	}
	f := contract.Fail(contract.TLSAlertReceived, "the server refuses: %v", op.Err)
	f.Number, f.Word = int64(v.Uint()), strings.TrimPrefix(op.Err.Error(), "tls: ")
	return f
}

// words are parts of errors that net/http has no types for.
var words = []struct{ part, name string }{
	{"server response headers exceeded", contract.ResponseHeaderSize},
	{"response header list larger", contract.ResponseHeaderSize},
	{"header list too large", contract.ResponseHeaderSize},
	{"unsupported transfer encoding", contract.ResponseTransferCoding},
	{"too many transfer encodings", contract.ResponseTransferCoding},
	{"server closed idle connection", contract.ConnectionTerminated},
	{"http: ContentLength=", contract.RequestBodySize},
	{"client conn could not be established", contract.ConnectionTerminated}, // also by an alert right after TLS began
	{"malformed", contract.ProtocolError},
	{"chunk", contract.ProtocolError},
	{"http2: ", contract.ProtocolError},
	{"stream error", contract.ProtocolError},
	{"server sent GOAWAY", contract.ConnectionTerminated},
	{"server gave HTTP response to HTTPS client", contract.TLSProtocolError},
	{"EOF", contract.ResponseIncomplete},
	{"transport connection broken", contract.ProtocolError},
}

// streamError is what net/http's own errors of streams of HTTP/2 can be read as.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("HTTP/2: stream error %d", e.Code) }

const refusedStream = 7 // the code of REFUSED_STREAM

// explain says why a request has got no answer, or not all of one. ctx is that of the request.
func explain(ctx context.Context, err error) error {
	var f *contract.Failure
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &f) || errors.As(err, &f) {
		return f
	}
	var own *lattice.Error
	var op *net.OpError
	var stream streamError
	var mime textproto.ProtocolError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &own):
		return own
	case errors.As(err, &op) && op.Op == "write" && op.Timeout():
		return contract.Fail(contract.ConnectionWriteTimeout, "the server does not take the request in time")
	case timeout(err):
		return contract.Fail(contract.ConnectionReadTimeout, "the server does not answer in time")
	case errors.As(err, &stream) && stream.Code == refusedStream:
		return contract.Fail(contract.ConnectionTerminated, "the server refuses the request unread")
	case errors.As(err, &stream), errors.As(err, &mime):
		return contract.Fail(contract.ProtocolError, "%v", last(err))
	}
	if f := alert(err); f != nil {
		return f
	}
	if f := connection(err); f != nil {
		return f
	}
	for _, w := range words {
		if strings.Contains(err.Error(), w.part) {
			return contract.Fail(w.name, "%v", last(err))
		}
	}
	return contract.Fail(contract.InternalError, "%v", last(err))
}

// last is the error without the URL that http.Client puts before it, which may hold a secret.
func last(err error) error {
	if inner := errors.Unwrap(err); inner != nil && strings.Contains(err.Error(), "\": ") {
		return inner
	}
	return err
}

// kinds are the codes of the lattice for failures; of those left out it is lattice.ErrUnavailable.
var kinds = map[string]lattice.Code{
	contract.RequestDenied: lattice.ErrDenied, contract.DestinationProhibited: lattice.ErrDenied,
	contract.DNSTimeout: lattice.ErrTimeout, contract.ConnectionTimeout: lattice.ErrTimeout,
	contract.ConnectionReadTimeout: lattice.ErrTimeout, contract.ConnectionWriteTimeout: lattice.ErrTimeout,
	contract.ResponseTimeout: lattice.ErrTimeout, contract.ConnectionLimitReached: lattice.ErrUnavailable,
	contract.RequestBodySize: lattice.ErrTooLarge, contract.ResponseBodySize: lattice.ErrTooLarge,
	contract.RequestHeaderSize: lattice.ErrTooLarge, contract.ResponseHeaderSize: lattice.ErrTooLarge,
	contract.RequestURITooLong: lattice.ErrTooLarge, contract.RequestURIInvalid: lattice.ErrInvalid,
	contract.RequestMethodInvalid: lattice.ErrInvalid, contract.InternalError: lattice.ErrInternal,
	contract.LoopDetected: lattice.ErrConflict,
}

// carried is a failure as it crosses the lattice: its text tells all of it.
func carried(err error) error {
	var f *contract.Failure
	if !errors.As(err, &f) {
		return err
	}
	code, ok := kinds[f.Name]
	if !ok {
		code = lattice.ErrUnavailable
	}
	return &lattice.Error{Code: code, Detail: f.Error()}
}
