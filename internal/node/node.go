package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/deploy/connect"
	"github.com/weftlattice/weft/internal/deploy/datadir"
	"github.com/weftlattice/weft/internal/natsauth"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// Config is a node that is to be started. Host and Logger are required.
type Config struct {
	Server *ServerConfig // nil: the NATS server of Way is used

	// Of a server of others:
	Way      connect.Way
	Dir      datadir.Dir
	Keys     func() (*signing.Keystore, error)
	Subjects natsauth.Identity // that the host needs besides those of its role
	Wait     time.Duration     // for a server that is not up yet; 0: not at all

	// Host makes the host's configuration when it is known how the host reaches NATS. release gives back what it has
	// taken, and is called once the host has ended, also when err is not nil.
	Host   func(conn natsconn.Config) (cfg host.Config, release func(), err error)
	Logger *slog.Logger
}

// Node is a host, and perhaps a NATS server of its own, in this process.
type Node struct {
	way     connect.Way
	server  *Server // nil when another one is used
	host    *host.Host
	ended   chan error // what host.Run returned
	cancel  context.CancelFunc
	release func()
}

// Start starts a host, with a NATS server of its own when there is a ServerConfig, and waits until it serves. When it
// fails, all that was started has ended.
func Start(ctx context.Context, c Config) (n *Node, err error) {
	n = &Node{way: c.Way, ended: make(chan error, 1), cancel: func() {}, release: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Stop())
			n = nil
		}
	}()
	conn, err := n.reachNATS(ctx, c)
	if err != nil {
		return n, err
	}
	cfg, release, err := c.Host(conn)
	n.release = release
	if err != nil {
		return n, err
	}
	if n.server != nil {
		cfg.CarriesNATS = true
		if cert := n.server.Certificate(); cert != nil {
			cfg.Certificates = append(cfg.Certificates, cert)
		}
		cfg.Storage = func() host.Storage { return host.Storage(n.server.Storage()) }
	}
	if n.host, err = host.New(cfg); err != nil {
		return n, err
	}
	return n, n.run(ctx)
}

// reachNATS starts the server, or finds the way to another one. It returns how the host connects.
func (n *Node) reachNATS(ctx context.Context, c Config) (conn natsconn.Config, err error) {
	if c.Server != nil {
		if n.server, err = StartServer(ctx, *c.Server); err != nil {
			return conn, err
		}
		n.way = connect.Way{NATS: n.server.ForOperator, Control: c.Server.Control}
		return n.server.ForHost, nil
	}
	if conn, err = c.Way.ForHost(c.Dir, c.Keys, c.Subjects); err == nil && c.Wait > 0 {
		err = awaitNATS(ctx, conn, c.Wait, c.Logger)
	}
	return conn, err
}

// run starts the host and waits until it serves.
func (n *Node) run(ctx context.Context) error {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	go func() { n.ended <- n.host.Run(run) }()
	select {
	case <-n.host.Ready():
		return nil
	case err := <-n.ended:
		select {
		case <-n.host.Ready(): // it was, however soon it ended; Wait tells of its end
			n.ended <- err
			return nil
		default:
		}
		n.host = nil
		if err == nil {
			err = errors.New("the host ended before it was ready")
		}
		if lattice.CodeOf(err) == lattice.ErrUnavailable && n.server == nil {
			err = fmt.Errorf("%w\nIs there a NATS server at %s? Start a lattice with one: weft up", err,
				natsconn.SafeURL(n.way.NATS.URL))
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Way is how people of this machine reach the lattice.
func (n *Node) Way() connect.Way { return n.way }

// Joinable reports whether others who have a token can join the node's NATS server.
func (n *Node) Joinable() bool { return n.server != nil && n.server.Joinable }

// Up describes the node for other processes that use the data directory. It may hold credentials, in the URL.
func (n *Node) Up(dir datadir.Dir) datadir.Up {
	c := n.way.NATS
	return datadir.Up{PID: os.Getpid(), Lattice: n.way.Control.Lattice, NATSURL: URL(c), Creds: c.CredsFile,
		CA: c.TLSCA, ServerName: c.TLSName,
		Domain: c.JSDomain, HostID: n.host.ID(), Host: n.host.Name(), HTTPAddr: n.host.HTTPAddr(), DataDir: string(dir)}
}

// URL is the address of a connection with the user or token that it needs.
func URL(c natsconn.Config) string {
	u, err := url.Parse(c.URL)
	if err != nil || u.User != nil || strings.Contains(c.URL, ",") {
		return c.URL
	}
	switch {
	case c.User != "":
		u.User = url.UserPassword(c.User, c.Password)
	case c.Token != "":
		u.User = url.User(c.Token)
	}
	return u.String()
}

// Wait blocks until the host has ended, or ctx has. SIGHUP makes the host read its keys again, unless it is what a
// terminal says that goes away.
func (n *Node) Wait(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	if !atTerminal() {
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case err := <-n.ended:
			n.ended <- err
			return
		case <-hangups:
			_, _ = n.host.Reload(ctx) // its log tells how it went
		}
	}
}

// atTerminal reports whether this process belongs to a terminal.
func atTerminal() bool {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if term.IsTerminal(int(f.Fd())) {
			return true
		}
	}
	return false
}

// Stop ends the host, then the server, and returns what went wrong. It may be called once.
func (n *Node) Stop() error {
	const serverEnd = 10 * time.Second
	var errs []error
	n.cancel()
	if n.host != nil {
		errs = append(errs, <-n.ended)
	}
	if n.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), serverEnd)
		defer cancel()
		errs = append(errs, n.server.Close(ctx))
	}
	n.release()
	return errors.Join(errs...)
}
