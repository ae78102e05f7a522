package channel

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/files"
)

// maxSocketPath is what the kernels allow for the path of a Unix socket.
const maxSocketPath = 103

// maxShaking bounds handshakes in progress; more connections wait to be accepted.
const maxShaking = 32

// Listener takes the connections of processes that were given credentials. It is safe for concurrent use.
type Listener struct {
	temp  *files.Temp
	path  string
	ln    net.Listener
	log   *slog.Logger
	shake chan struct{}
	wg    sync.WaitGroup

	mu     sync.Mutex
	offers map[string]offer // by id; guarded by mu
	closed bool             // guarded by mu
}

type offer struct {
	secret []byte
	accept func(net.Conn)
}

// Listen opens a socket in a folder of its own that only this user can enter. The folder is made below base, or below the
// system's folder for temporary files when base is empty or its path is too long for a socket.
func Listen(base string, log *slog.Logger) (*Listener, error) {
	fail := func(err error) (*Listener, error) {
		return nil, &lattice.Error{Code: lattice.ErrUnavailable, Op: "open channel", Detail: "no local socket", Err: err}
	}
	if base == "" || len(base)+len("/weft-0123456789/s") > maxSocketPath {
		base = os.TempDir()
	}
	temp, err := files.NewTemp(base, "weft-")
	if err != nil {
		return fail(err)
	}
	path := filepath.Join(temp.Dir(), "s")
	if len(path) > maxSocketPath {
		_ = temp.Close()
		return fail(fmt.Errorf("the path %s is too long; set TMPDIR to a shorter one", path))
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		_ = temp.Close()
		return fail(err)
	}
	l := &Listener{temp: temp, path: path, ln: ln, log: log, shake: make(chan struct{}, maxShaking), offers: map[string]offer{}}
	l.wg.Go(l.run)
	return l, nil
}

// Offer makes credentials for one process. accept gets each connection that it opens, and owns it; it must not block.
func (l *Listener) Offer(accept func(net.Conn)) Credentials {
	c := newCredentials(l.path)
	_, secret, _ := decode(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offers[c.ID] = offer{secret: secret, accept: accept}
	return c
}

// Withdraw makes credentials void. Connections that were opened with them stay.
func (l *Listener) Withdraw(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.offers, id)
}

func (l *Listener) secret(id string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.offers[id].secret
}

func (l *Listener) run() {
	for {
		conn, err := l.ln.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.log.Error("channel takes no more connections; calls go over NATS", lattice.LogErr, err)
			}
			return
		}
		l.shake <- struct{}{}
		l.wg.Go(func() {
			defer func() { <-l.shake }()
			if err := l.admit(conn); err != nil {
				_ = conn.Close()
				l.log.Warn("channel refused to a process", lattice.LogErr, err)
			}
		})
	}
}

func (l *Listener) admit(conn net.Conn) error {
	if err := sameUser(conn); err != nil {
		return err
	}
	id, err := listenerSide(conn, l.secret)
	if err != nil {
		return err
	}
	l.mu.Lock()
	o, ok := l.offers[id]
	ok = ok && !l.closed
	l.mu.Unlock()
	if !ok {
		return errors.New("its credentials were withdrawn")
	}
	o.accept(conn)
	return nil
}

// Close takes no more connections and removes the socket. Closing twice is no error.
func (l *Listener) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	err := l.ln.Close() // removes the socket
	l.wg.Wait()
	return errors.Join(err, l.temp.Close())
}
