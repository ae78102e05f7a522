package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weftlattice/weft/host"
	"github.com/weftlattice/weft/internal/natsconn"
	"github.com/weftlattice/weft/lattice"
)

// node is a host, and perhaps a NATS server of its own, in this process.
type node struct {
	server *embedded       // nil when another one is used
	conn   natsconn.Config // of who gives the host commands
	host   *host.Host
	ended  chan error // what host.Run returned
	cancel context.CancelFunc
	free   func()
}

// startNode starts a host, with an embedded server unless nats is nil, and waits until it serves.
func startNode(a *app, cmd *cobra.Command, flags *hostFlags, nats *natsFlags, log *slog.Logger) (n *node, err error) {
	n = &node{ended: make(chan error, 1), cancel: func() {}, free: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	ctx := cmd.Context()
	var conn natsconn.Config
	if nats != nil {
		if n.server, err = nats.start(ctx, a, log, flags.policy.subjects()); err != nil {
			return n, err
		}
		conn, n.conn = n.server.host, n.server.operator
	} else {
		if n.conn, err = a.natsConfig(cmd, ""); err != nil {
			return n, err
		}
		if conn, err = a.hostConfig(cmd, flags.policy.subjects()); err != nil {
			return n, err
		}
		if flags.natsWait > 0 {
			if err = awaitNATS(ctx, conn, flags.natsWait, log); err != nil {
				return n, err
			}
		}
	}
	cfg, free, err := flags.config(a, cmd, conn, log)
	n.free = free
	if err != nil {
		return n, err
	}
	cfg.CarriesNATS = n.server != nil
	if n.server != nil {
		if cert := n.server.Certificate(); cert != nil {
			cfg.Certificates = append(cfg.Certificates, cert)
		}
		cfg.Storage = func() host.Storage { return host.Storage(n.server.Storage()) }
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

// wait blocks until the host has ended, or ctx has. SIGHUP makes the host read its keys again, unless it is what a
// terminal says that goes away.
func (n *node) wait(ctx context.Context) {
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
