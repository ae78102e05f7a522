package keyvalueredis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/linkfile"
	"github.com/weftlattice/weft/provider/internal/keyvalue"
)

// probePause is how often one call tries a server that is away; the others fail at once.
const probePause = 250 * time.Millisecond

// server is one Redis with one set of credentials. It is safe for concurrent use.
type server struct {
	settings settings
	address  string
	client   *redis.Client
	links    int // guarded by redisProvider.mu

	mu    sync.Mutex
	away  error     // why, since the last failure; nil when it answers. guarded by mu
	probe time.Time // when the next call may try. guarded by mu
}

func newServer(s settings, files linkfile.Folders) (*server, error) {
	o, err := s.options(files)
	if err != nil {
		return nil, err
	}
	return &server{settings: s, address: o.Addr, client: redis.NewClient(o)}, nil
}

// ping asks the server whatever is known of it.
func (s *server) ping(ctx context.Context) error {
	return s.learn("ping", "", s.client.Ping(ctx).Err())
}

// admit fails at once when the server is known to be away, but for one call now and then.
func (s *server) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.away == nil || now.After(s.probe) {
		s.probe = now.Add(probePause)
		return nil
	}
	return s.away
}

// learn translates the error of a call and remembers whether the server is there.
func (s *server) learn(want, key string, err error) error {
	err = s.translate(want, key, err)
	code := lattice.CodeOf(err)
	if code == lattice.ErrTimeout || code == lattice.ErrCanceled {
		return err // says nothing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = nil
	if code == lattice.ErrUnavailable {
		s.away, s.probe = err, time.Now().Add(probePause)
	}
	return err
}

// translate makes an error of the library one of the lattice: of the key, of the credentials, or of the connection.
func (s *server) translate(want, key string, err error) error {
	if err == nil {
		return nil
	}
	e := &lattice.Error{Code: lattice.ErrUnavailable, Detail: "redis at " + s.address + " is away", Err: err}
	var reply redis.Error
	if errors.As(err, &reply) {
		text := reply.Error()
		has := func(words ...string) bool {
			for _, w := range words {
				if strings.Contains(text, w) {
					return true
				}
			}
			return false
		}
		e.Detail = "redis at " + s.address + " answers with an error"
		switch {
		case has("WRONGTYPE"):
			return keyvalue.WrongKind(key, want)
		case has("not an integer"):
			return keyvalue.NoNumber(key)
		case has("would overflow"):
			return keyvalue.Overflow(key)
		case has("NOAUTH", "WRONGPASS", "NOPERM", "invalid password", "without any password configured"):
			e.Code, e.Detail = lattice.ErrDenied, "redis at "+s.address+" refuses the credentials of the link"
		case has("DB index is out of range"):
			e.Code = lattice.ErrInvalid
		case has("maximum allowed size"):
			e.Code = lattice.ErrTooLarge
		case has("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "OOM", "MISCONF", "max number of clients"):
		default:
			e.Code = lattice.ErrInternal
		}
		return e
	}
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.Canceled):
		e.Code = lattice.ErrCanceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Detail = lattice.ErrTimeout, "redis at "+s.address+" did not answer in time"
	case errors.As(err, &unknown):
		e.Detail = "redis at " + s.address + " has a certificate of an unknown authority; name it in " + "ca_file"
	case errors.As(err, &record):
		e.Detail = "redis at " + s.address + " does not speak TLS; use redis://"
	}
	return e
}
