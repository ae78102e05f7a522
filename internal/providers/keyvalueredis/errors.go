package keyvalueredis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/internal/providers/keyvalue"
	"github.com/weftlattice/weft/lattice"
)

// replies are the errors that Redis answers with, by a word in them; the first that fits counts. A server that answers
// is there: only the errors with away mean that it would serve no command.
var replies = []struct {
	word   string
	code   lattice.Code
	away   bool
	detail string // after "redis at ADDRESS "
}{
	{"NOPERM", lattice.ErrDenied, false, "does not allow the user of the link to do this (ACL)"},
	{"NOAUTH", lattice.ErrDenied, false, "refuses the credentials of the link"},
	{"WRONGPASS", lattice.ErrDenied, false, "refuses the credentials of the link"},
	{"invalid password", lattice.ErrDenied, false, "refuses the credentials of the link"},
	{"without any password configured", lattice.ErrDenied, false, "refuses the credentials of the link"},
	{"DB index is out of range", lattice.ErrInvalid, false, "has no such database"},
	{"SELECT is not allowed in cluster mode", lattice.ErrInvalid, false,
		"is a Redis Cluster, which has database 0 only; leave db out"},
	{"cluster support disabled", lattice.ErrInvalid, false,
		"is no Redis Cluster; name one address in url, or its sentinels and sentinel_master"},
	{"CROSSSLOT", lattice.ErrInvalid, false,
		"keeps these keys on different nodes of a cluster, so that no command can use them together; " +
			"give them a common hash tag, as in {tag}name, or put one into prefix"},
	{"maximum allowed size", lattice.ErrTooLarge, false, "refuses the value"},
	{"LOADING", lattice.ErrUnavailable, true, "is still reading its data"},
	{"MASTERDOWN", lattice.ErrUnavailable, true, "is a replica that has lost its master"},
	{"CLUSTERDOWN Hash slot not served", lattice.ErrUnavailable, false,
		"knows no node of its cluster that has the key"},
	{"CLUSTERDOWN", lattice.ErrUnavailable, true, "says that its cluster is down"},
	{"READONLY", lattice.ErrUnavailable, false,
		"is a replica and takes no writes; name the master in url, or the sentinels and sentinel_master"},
	{"OOM", lattice.ErrUnavailable, false, "has no memory left for writes (maxmemory)"},
	{"MISCONF", lattice.ErrUnavailable, false, "takes no writes since it cannot save to its disk"},
	{"NOREPLICAS", lattice.ErrUnavailable, false, "takes no writes since it has too few replicas"},
	{"TRYAGAIN", lattice.ErrUnavailable, false, "is moving these keys to another node"},
	{"BUSY", lattice.ErrUnavailable, false, "is busy with a script"},
	{"max number of clients", lattice.ErrUnavailable, false, "has as many clients as it takes (maxclients)"},
}

// counter64 is what a counter of 64 bits is wanted as.
const counter64 = "counter of 64 bits"

// translate makes an error of the library one of the lattice: of the key, of the credentials, or of the connection.
// away reports whether the next command would fare no better.
func (s *server) translate(address, want, key string, err error) (translated error, away bool) {
	var own *lattice.Error
	if err == nil || errors.As(err, &own) {
		return err, false
	}
	e := &lattice.Error{Code: lattice.ErrUnavailable, Detail: "redis at " + address + " is away", Err: err}
	if errors.Is(err, redis.Nil) { // from all sentinels
		e.Code, e.Detail, e.Err = lattice.ErrInvalid, "no sentinel at "+address+" knows it; see sentinel_master", nil
		return e, true
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		text, bits := reply.Error(), keyvalue.Bits(32)
		if want == counter64 {
			bits = 64
		}
		switch {
		case strings.Contains(text, "WRONGTYPE"):
			return keyvalue.WrongKind(key, want), false
		case strings.Contains(text, "not an integer"):
			return keyvalue.NoNumber(key, bits), false
		case strings.Contains(text, "would overflow"):
			return keyvalue.Overflow(key, bits), false
		}
		for _, r := range replies {
			if strings.Contains(text, r.word) {
				e.Code, e.Detail = r.code, "redis at "+address+" "+r.detail
				return e, r.away
			}
		}
		e.Code, e.Detail = lattice.ErrInternal, "redis at "+address+" answers with an error"
		return e, false
	}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled):
		e.Code = lattice.ErrCanceled
		return e, false
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Detail = lattice.ErrTimeout, "redis at "+address+" did not answer in time"
		return e, false
	case errors.Is(err, redis.ErrPoolTimeout):
		e.Code, e.Detail = lattice.ErrBusy, "all connections to redis at "+address+" are in use; see pool_size"
		return e, false
	case errors.As(err, &unknown):
		e.Detail = "redis at " + address + " has a certificate of an unknown authority; name it in ca_file"
	case errors.As(err, &name):
		e.Detail = "redis at " + address + " has a certificate for another name"
	case errors.As(err, &record):
		e.Detail = "redis at " + address + " does not speak TLS; use redis://"
	}
	return e, true
}
