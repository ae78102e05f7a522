package oci

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/weftlattice/weft/lattice"
)

// fail gives an error of a registry its code, and says what helps.
func fail(op string, ref Reference, err error) error {
	var own *lattice.Error
	if errors.As(err, &own) {
		return err
	}
	e := &lattice.Error{Code: lattice.ErrUnavailable, Op: op, Entity: ref.String(), Err: err}
	say := func(code lattice.Code, format string, args ...any) error {
		e.Code, e.Detail = code, fmt.Sprintf(format, args...)
		return e
	}
	var answer *errcode.ErrorResponse
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		e.Err = nil
		return say(lattice.ErrCanceled, "")
	case errors.Is(err, auth.ErrBasicCredentialNotFound), errors.As(err, &answer) &&
		answer.StatusCode == http.StatusUnauthorized:
		e.Err = nil
		return say(lattice.ErrDenied, "registry %s wants a login, or refuses the one it got; where this runs, "+
			"log in with \"docker login %s\", or set WASMCLOUD_OCI_REGISTRY=%s, "+
			"WASMCLOUD_OCI_REGISTRY_USER and WASMCLOUD_OCI_REGISTRY_PASSWORD",
			ref.Registry, ref.Registry, ref.Registry)
	case answer != nil && answer.StatusCode == http.StatusForbidden:
		e.Err = nil
		return say(lattice.ErrDenied, "registry %s forbids it to the user that is logged in", ref.Registry)
	case errors.Is(err, errdef.ErrNotFound), answer != nil && answer.StatusCode == http.StatusNotFound:
		e.Err = nil
		return say(lattice.ErrNotFound, "registry %s does not have it", ref.Registry)
	case answer != nil:
		e.Err = nil
		return say(lattice.ErrUnavailable, "registry %s answers %d %s", ref.Registry, answer.StatusCode,
			http.StatusText(answer.StatusCode))
	case errors.Is(err, errdef.ErrSizeExceedsLimit):
		return say(lattice.ErrTooLarge, "")
	case errors.Is(err, content.ErrMismatchedDigest), errors.Is(err, content.ErrInvalidDescriptorSize),
		errors.Is(err, content.ErrTrailingData):
		return say(lattice.ErrHashMismatch, "what the registry sent is not what the digest says")
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Err = nil
		return say(lattice.ErrUnavailable,
			"registry %s speaks plain HTTP, which is used only where it is named: "+
				"--oci-allowed-insecure %s (WASMCLOUD_OCI_ALLOWED_INSECURE)", ref.Registry, ref.Registry)
	case errors.As(err, &unknown), errors.As(err, &wrongName):
		return say(lattice.ErrUnavailable,
			"the certificate of registry %s is not trusted; name its authority with --oci-ca", ref.Registry)
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Err = nil
		return say(lattice.ErrUnavailable, "there is no host %s", lattice.Printable(dns.Name))
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Err = nil
		return say(lattice.ErrTimeout, "registry %s did not answer in time", ref.Registry)
	}
	return say(lattice.ErrUnavailable, "registry %s cannot be reached", ref.Registry)
}
