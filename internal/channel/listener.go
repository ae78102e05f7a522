package channel

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/weftlattice/weft/internal/files"
	"github.com/weftlattice/weft/lattice"
)

// maxSocketPath is what the kernels allow for the path of a Unix socket.
const maxSocketPath = 103

// maxShaking bounds handshakes in progress; more connections wait to be accepted.
const maxShaking = 32

// Listener takes the connections of processes that were given credentials. It is safe for concurrent use.
type Listener struct {
	base  string
	log   *slog.Logger
	shake chan struct{}
	wg    sync.WaitGroup

	moving sync.Mutex // held while a place is looked at or made
	at     *place     // where new processes shall connect; guarded by moving
	closed bool       // guarded by moving

	mu     sync.Mutex
	offers map[string]offer // by id; guarded by mu
	ended  bool             // guarded by mu
}

// place is a socket in a folder of its own.
type place struct {
	temp *files.Temp
	path string
	ln   net.Listener
}

func (p *place) close() error {
	err := p.ln.Close() // removes the socket
	return errors.Join(err, p.temp.Close())
}

type offer struct {
	secret []byte
	accept func(net.Conn)
}

// Listen opens a socket in a folder of its own that only this user can enter. The folder is made below base, or below
// the system's folder for temporary files when base is empty, cannot be written to, or has too long a path for a
// socket.
func Listen(base string, log *slog.Logger) (*Listener, error) {
	l := &Listener{base: base, log: log, shake: make(chan struct{}, maxShaking), offers: map[string]offer{}}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// open listens at a new place. The caller holds moving, or is the only one that knows the Listener.
func (l *Listener) open() error {
	var p *place
	err := errors.New("no folder is given")
	if l.base != "" && len(l.base)+len("/weft-0123456789/s") <= maxSocketPath {
		p, err = newPlace(l.base)
	}
	if err != nil {
		p, err = newPlace(os.TempDir())
	}
	if err != nil {
		return &lattice.Error{Code: lattice.ErrUnavailable, Op: "open channel", Detail: "no local socket", Err: err}
	}
	l.at = p
	l.wg.Go(func() { l.run(p.ln) })
	return nil
}

// newPlace makes a folder that only this user can enter, and a socket in it. The path of a socket may have some hundred
// bytes.
func newPlace(base string) (*place, error) {
	temp, err := files.NewTemp(base, "weft-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(temp.Dir(), "s")
	if len(path) > maxSocketPath {
		_ = temp.Close()
		return nil, fmt.Errorf("the path %s is too long; set TMPDIR to a shorter one", path)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		_ = temp.Close()
		return nil, err
	}
	return &place{temp, path, ln}, nil
}

// Offer makes credentials for one process. accept gets each connection that it opens, and owns it; it must not block.
// Where the socket was removed meanwhile, as by a program that tidies up the system's folder for temporary files, Offer
// listens anew in another folder; connections stay. It looks at a disk: call it without locks.
func (l *Listener) Offer(accept func(net.Conn)) Credentials {
	c := newCredentials(l.place())
	_, secret, _ := decode(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.offers[c.ID] = offer{secret: secret, accept: accept}
	return c
}

// place is the path of a socket that is there, if there can be one.
func (l *Listener) place() string {
	l.moving.Lock()
	defer l.moving.Unlock()
	old := l.at
	if _, err := os.Lstat(old.path); !errors.Is(err, fs.ErrNotExist) || l.closed {
		return old.path
	}
	if err := l.open(); err != nil {
		l.log.Warn("the local socket was removed and cannot be made anew; calls of this process go over NATS",
			"socket", old.path, lattice.LogErr, err)
		return old.path
	}
	_ = old.close()
	l.log.Warn("the local socket was removed by somebody; there is another one", "socket", old.path, "now", l.at.path)
	return l.at.path
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

// run takes connections until the socket is closed. shake bounds the handshakes at a time, so that connections that say
// nothing cannot use up memory; more wait in the kernel's queue.
func (l *Listener) run(ln net.Listener) {
	for {
		conn, err := ln.Accept()
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

// admit hands a connection to whom its credentials belong. They are looked at again after the handshake: they may have
// been withdrawn meanwhile.
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
	ok = ok && !l.ended
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
	l.ended = true
	l.mu.Unlock()
	l.moving.Lock()
	defer l.moving.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	err := l.at.close()
	l.wg.Wait()
	return err
}
