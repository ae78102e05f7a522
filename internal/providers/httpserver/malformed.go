package httpserver

import (
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weftlattice/weft/lattice"
)

// malformed says what is wrong with how a request that net/http has read is put; nil: nothing. net/http is strict with
// HTTP/1, and takes from HTTP/2 what a hop that speaks HTTP/1 would read as something else: all of it is refused here,
// however it came. Of equal lengths one is left, as net/http does it for HTTP/1.
func malformed(r *http.Request) *failure {
	bad := func(text string) *failure {
		return &failure{status: http.StatusBadRequest, code: lattice.ErrInvalid, text: text}
	}
	switch {
	case !httpguts.ValidHeaderFieldName(r.Method): // both are tokens
		return bad("the method is no token")
	case strings.ContainsFunc(r.RequestURI, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return bad("the request's target has a space or a control character: escape it")
	case r.URL.User != nil:
		return bad("the request's target names a user, which HTTP does not allow: use the header authorization")
	case !httpguts.ValidHostHeader(r.Host):
		return bad("the host is malformed")
	case r.Host == "" && r.ProtoAtLeast(1, 1):
		return bad("the request names no host")
	}
	if r.ProtoMajor > 1 {
		if r.Method != http.MethodConnect && r.RequestURI != "*" && !strings.HasPrefix(r.RequestURI, "/") {
			return bad("the request's target is no path")
		}
		for _, host := range r.Header["Host"] { // HTTP/1's has become r.Host
			if !strings.EqualFold(host, r.Host) {
				return bad("host and :authority differ")
			}
		}
	}
	lengths := r.Header["Content-Length"]
	for _, length := range lengths {
		if n, err := strconv.ParseUint(length, 10, 63); err != nil || length != lengths[0] ||
			int64(n) != r.ContentLength {
			return bad("content-length is not one number, or not that of the body's bytes")
		}
	}
	if len(lengths) > 1 {
		r.Header["Content-Length"] = lengths[:1]
	}
	return nil
}
