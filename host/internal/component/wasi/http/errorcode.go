package http

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/weftlattice/weft/host/internal/component/abi"
	"github.com/weftlattice/weft/host/internal/component/face"
	wasiio "github.com/weftlattice/weft/host/internal/component/wasi/io"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/contract/httpclient"
)

// payloads make what the cases of error-code carry that carry something.
var payloads = map[string]func(f *httpclient.Failure) any{
	httpclient.DNSError:                 func(f *httpclient.Failure) any { return []any{word(f), face.None} },
	httpclient.TLSAlertReceived:         func(f *httpclient.Failure) any { return []any{number[uint8](f), word(f)} },
	httpclient.RequestBodySize:          func(f *httpclient.Failure) any { return number[uint64](f) },
	httpclient.RequestHeaderSize:        func(f *httpclient.Failure) any { return number[uint32](f) },
	httpclient.RequestHeaderFieldSize:   func(f *httpclient.Failure) any { return face.Some(field(f)) },
	httpclient.RequestTrailersSize:      func(f *httpclient.Failure) any { return number[uint32](f) },
	httpclient.RequestTrailerFieldSize:  func(f *httpclient.Failure) any { return field(f) },
	httpclient.ResponseHeaderSize:       func(f *httpclient.Failure) any { return number[uint32](f) },
	httpclient.ResponseHeaderFieldSize:  func(f *httpclient.Failure) any { return field(f) },
	httpclient.ResponseBodySize:         func(f *httpclient.Failure) any { return number[uint64](f) },
	httpclient.ResponseTrailersSize:     func(f *httpclient.Failure) any { return number[uint32](f) },
	httpclient.ResponseTrailerFieldSize: func(f *httpclient.Failure) any { return field(f) },
	httpclient.ResponseTransferCoding:   func(f *httpclient.Failure) any { return word(f) },
	httpclient.ResponseContentCoding:    func(f *httpclient.Failure) any { return word(f) },
	httpclient.InternalError:            func(f *httpclient.Failure) any { return face.Some(f.Text) },
}

func field(f *httpclient.Failure) any { return []any{word(f), number[uint32](f)} }

// word is the word of a failure as option<string>.
func word(f *httpclient.Failure) any {
	if f.Word == "" {
		return face.None
	}
	return face.Some(f.Word)
}

// number is that of a failure as an option of its type; one that does not fit is none.
func number[T uint8 | uint32 | uint64](f *httpclient.Failure) any {
	if f.Number < 0 || int64(T(f.Number)) != f.Number {
		return face.None
	}
	return face.Some(T(f.Number))
}

// errorCodes tells what is behind an error of a stream, where that is one of a body of HTTP.
var errorCodes = map[string]face.Func{
	"http-error-code": face.Method(face.Little, func(_ *face.Call, e *wasiio.Failure, _ []any) (any, error) {
		var f *httpclient.Failure
		if !errors.As(e.Err, &f) {
			return face.None, nil
		}
		return face.Some(errorCode(f)), nil
	}),
}

func internalError(err error) abi.Variant {
	return errorCode(httpclient.Fail(httpclient.InternalError, "%v", err))
}

// errorCode is a failure as error-code.
func errorCode(f *httpclient.Failure) abi.Variant {
	n := slices.Index(httpclient.Names, f.Name)
	if n < 0 {
		n, f = len(httpclient.Names)-1, httpclient.Fail(httpclient.InternalError, "%s", f.Error())
	}
	v := abi.Variant{Case: uint32(n)}
	if payload := payloads[f.Name]; payload != nil {
		v.Value = payload(f)
	}
	return v
}

// refused are the cases for errors of the lattice, which no provider of weft has made a failure of.
var refused = map[lattice.Code]string{lattice.ErrDenied: httpclient.RequestDenied,
	lattice.ErrUnlinked: httpclient.RequestDenied, lattice.ErrMissingCapability: httpclient.RequestDenied,
	lattice.ErrTimeout: httpclient.ResponseTimeout, lattice.ErrBusy: httpclient.ConnectionLimitReached,
	lattice.ErrCanceled: httpclient.ConnectionTerminated}

// failureOf reads the error of a call to a provider.
func failureOf(err error) *httpclient.Failure {
	var f *httpclient.Failure
	if errors.As(err, &f) {
		return f
	}
	if f, ok := httpclient.ParseFailure(err.Error()); ok {
		return f
	}
	if name, ok := refused[lattice.CodeOf(err)]; ok {
		return httpclient.Fail(name, "%v", err)
	}
	return httpclient.Fail(httpclient.InternalError, "%v", err)
}

// failureIn reads an error-code, as errorCode makes it.
func failureIn(v abi.Variant) *httpclient.Failure {
	f := httpclient.Fail(httpclient.Names[v.Case], "")
	carried(f, v.Value)
	if f.Name == httpclient.InternalError {
		f.Text, f.Word = f.Word, ""
	}
	return f
}

// carried notes the word and the number that a case carries, in whatever options and records.
func carried(f *httpclient.Failure, v any) {
	switch v := v.(type) {
	case string:
		f.Word = strings.Clone(v)
	case uint8:
		f.Number = int64(v)
	case uint16:
		f.Number = int64(v)
	case uint32:
		f.Number = int64(v)
	case uint64:
		f.Number = int64(min(v, math.MaxInt64))
	case abi.Variant:
		carried(f, v.Value)
	case []any:
		for _, part := range v {
			carried(f, part)
		}
	}
}

// errorText says what error-code a guest answered with: its case, and what that carries.
func errorText(v any) string {
	code, _ := v.(abi.Variant)
	return strings.TrimSuffix(failureIn(code).Error(), ": ")
}
