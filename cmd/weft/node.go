package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weftlattice/weft/deploy/operate"
	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/natsconn"
	"github.com/weftlattice/weft/lattice/natsserver"
)

// natsFlags are the settings of the embedded NATS server.
type natsFlags struct {
	port   int
	listen string
}

func (n *natsFlags) flags(f *pflag.FlagSet) {
	f.IntVar(&n.port, "nats-port", natsserver.DefaultPort, "port of the embedded NATS server; -1 is a free one")
	f.StringVar(&n.listen, "nats-listen", natsserver.DefaultHost, "address that the embedded NATS server listens on; beyond loopback clients need a token")
}

// start runs the embedded server and returns how to connect to it.
func (n *natsFlags) start(ctx context.Context, a *app, log *slog.Logger) (*natsserver.Server, natsconn.Config, error) {
	conn := natsconn.Config{User: a.conn.user, Password: a.conn.password, Token: a.conn.token}
	if conn.User == "" && conn.Token == "" && n.public() {
		var err error
		if conn.Token, err = a.natsToken(); err != nil {
			return nil, conn, err
		}
	}
	s, err := natsserver.Start(ctx, natsserver.Config{Host: n.listen, Port: n.port, DataDir: filepath.Join(a.dataDir, "nats"),
		User: conn.User, Password: conn.Password, Token: conn.Token, Plain: true, Logger: log})
	if lattice.CodeOf(err) == lattice.ErrConflict {
		err = fmt.Errorf("%w\nAnother lattice runs here? Join it with --nats-url, or take another port with --nats-port", err)
	}
	if err != nil {
		return nil, conn, err
	}
	conn.URL = s.URL()
	if ip := net.ParseIP(n.listen); ip != nil && ip.IsUnspecified() { // from here, loopback is the way
		conn.URL = "nats://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port()))
	}
	return s, conn, nil
}

// public reports whether other machines can reach the server.
func (n *natsFlags) public() bool {
	ip := net.ParseIP(n.listen)
	return n.listen != "localhost" && (ip == nil || !ip.IsLoopback())
}

// joinURL is where other machines find the server, "" when they do not.
func (n *natsFlags) joinURL(c natsconn.Config) string {
	u, err := url.Parse(withCredentials(c))
	if err != nil || !n.public() {
		return ""
	}
	name := n.listen
	if ip := net.ParseIP(n.listen); ip != nil && ip.IsUnspecified() {
		if name, err = os.Hostname(); err != nil {
			return ""
		}
	}
	u.Host = net.JoinHostPort(name, u.Port())
	return u.String()
}

// natsToken is the token of the embedded server for clients on other machines, made on first use.
func (a *app) natsToken() (string, error) {
	if _, err := a.keys(); err != nil { // makes the directory
		return "", err
	}
	path := filepath.Join(a.dataDir, "keys", "nats.token")
	if data, err := os.ReadFile(path); err == nil && len(data) >= 26 {
		return string(data), nil
	}
	token := rand.Text()
	return token, operate.WriteFile(path, []byte(token), 0o600)
}

// node is a host, and perhaps a NATS server of its own, in this process.
type node struct {
	server *natsserver.Server // nil when another one is used
	conn   natsconn.Config
	host   *host.Host
	ended  chan error // what host.Run returned
	cancel context.CancelFunc
	free   func()
}

// startNode starts a host, with an embedded server unless nats is nil, and waits until it serves.
func (a *app) startNode(cmd *cobra.Command, flags *hostFlags, nats *natsFlags, log *slog.Logger) (n *node, err error) {
	n = &node{ended: make(chan error, 1), cancel: func() {}, free: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	ctx := cmd.Context()
	if nats != nil {
		if n.server, n.conn, err = nats.start(ctx, a, log); err != nil {
			return n, err
		}
	} else {
		n.conn = a.natsConfig(cmd, "")
	}
	cfg, free, err := flags.config(a, cmd, n.conn, log)
	n.free = free
	if err != nil {
		return n, err
	}
	if n.host, err = host.New(cfg); err != nil {
		return n, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n.cancel = cancel
	go func() { n.ended <- n.host.Run(run) }()
	select {
	case <-n.host.Ready():
		return n, nil
	case err := <-n.ended:
		n.host = nil
		if err == nil {
			err = errors.New("the host ended before it was ready")
		}
		if lattice.CodeOf(err) == lattice.ErrUnavailable && nats == nil {
			err = fmt.Errorf("%w\nIs there a NATS server at %s? Start a lattice with one: weft up", err, natsconn.SafeURL(n.conn.URL))
		}
		return n, err
	case <-ctx.Done():
		return n, ctx.Err()
	}
}

// wait blocks until the host has ended, or ctx has.
func (n *node) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case err := <-n.ended:
		n.ended <- err
	}
}

// stop ends the host, then the server, and returns what went wrong. It may be called once.
func (n *node) stop() error {
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
	n.free()
	return errors.Join(errs...)
}
