package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weftlattice/weft/lattice"
	"github.com/weftlattice/weft/lattice/signing"
)

// lab is a NATS server for the lattices of one part.
type lab struct {
	*bench
	url     string
	nc      *nats.Conn
	cluster signing.KeyPair // of all lattices
	stops   []func()        // in the order of starting
}

// open starts a NATS server with JetStream. Close ends it and all that was started on it.
func (b *bench) open() (l *lab, err error) {
	l = &lab{bench: b}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.cluster, err = signing.New(signing.KindCluster); err != nil {
		return l, err
	}
	port, err := freePort()
	if err != nil {
		return l, err
	}
	dir, err := os.MkdirTemp(b.dir, "nats")
	if err != nil {
		return l, err
	}
	l.url = fmt.Sprintf("nats://127.0.0.1:%d", port)
	server, err := start([]string{"WEFT_DATA_DIR=" + dir}, b.weft, "nats", "run", "--nats-port", fmt.Sprint(port))
	if err != nil {
		return l, err
	}
	l.stops = append(l.stops, server.stop)
	err = until(15*time.Second, func() error {
		l.nc, err = nats.Connect(l.url)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("%w\n%s", err, server.log.String())
	}
	l.stops = append(l.stops, l.nc.Close)
	return l, nil
}

// close ends what was started, the last first.
func (l *lab) close() {
	for i := len(l.stops) - 1; i >= 0; i-- {
		l.stops[i]()
	}
	l.stops = nil
}

// operator gives commands to a lattice of the lab, which has a data directory of its own.
func (l *lab) operator(name string) (cli, error) {
	dir, err := os.MkdirTemp(l.dir, name)
	return cli{weft: l.weft, env: []string{"WEFT_DATA_DIR=" + dir, "WEFT_NATS_URL=" + l.url, "WEFT_LATTICE=" + name,
		"WEFT_CLUSTER_SEED=" + l.cluster.Seed()}}, err
}

// node is a host process.
type node struct {
	*child
	ID       lattice.HostID `json:"id"`
	HTTPAddr string         `json:"http_addr"`
}

// host starts a host in the lattice of an operator and waits until it is ready.
func (l *lab) host(ctx context.Context, c cli, args ...string) (*node, error) {
	child, err := start(c.env, l.weft, append([]string{"host", "run", "-o", "json", "--http-addr", "127.0.0.1:0"},
		args...)...)
	if err != nil {
		return nil, err
	}
	l.stops = append(l.stops, child.stop)
	n := &node{child: child}
	err = until(30*time.Second, func() error { return json.Unmarshal([]byte(child.out.String()), n) })
	if err == nil && n.ID == "" {
		err = errors.New(child.out.String()) // it tells why it has ended
	}
	if err != nil {
		return nil, fmt.Errorf("start a host: %w\n%s", err, child.log.String())
	}
	return n, nil
}

// lattice is a host with httpserver in a lattice of its own.
func (l *lab) lattice(ctx context.Context, name string, hostArgs ...string) (cli, *node, error) {
	c, err := l.operator(name)
	if err != nil {
		return c, nil, err
	}
	n, err := l.host(ctx, c, hostArgs...)
	if err != nil {
		return c, nil, err
	}
	return c, n, c.run(ctx, nil, "provider", "start", "httpserver")
}

// echoing is a lattice whose httpserver serves the echo actor at an address.
func (l *lab) echoing(ctx context.Context, name string, hostArgs ...string) (c cli, n *node, addr string, err error) {
	if c, n, err = l.lattice(ctx, name, hostArgs...); err != nil {
		return c, n, "", err
	}
	addr, err = c.serve(ctx, l.echo(), "echo", []byte(answer))
	return c, n, addr, err
}

// serve starts an actor behind httpserver and returns where, once it gives an answer. More are arguments of "actor
// start".
func (c cli) serve(ctx context.Context, module, name string, want []byte, more ...string) (addr string, err error) {
	if err := c.run(ctx, nil, append([]string{"actor", "start", module, "--max", "64"}, more...)...); err != nil {
		return "", err
	}
	return c.link(ctx, name, want)
}

// link links an actor to httpserver at a free port and waits until it gives an answer there.
func (c cli) link(ctx context.Context, actor string, want []byte, more ...string) (addr string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	return addr, c.relink(ctx, actor, addr, want, more...)
}

// relink puts the link to an address again, with other values, and waits until it gives an answer.
func (c cli) relink(ctx context.Context, actor, addr string, want []byte, more ...string) error {
	if err := c.run(ctx, nil, append([]string{"link", "put", actor, "httpserver", "address=" + addr},
		more...)...); err != nil {
		return err
	}
	return answers(addr, want)
}

// answers waits until an address gives an answer.
func answers(addr string, want []byte) error {
	return until(20*time.Second, func() error {
		h, err := dial(addr, "/", []byte(payload))
		if err != nil {
			return err
		}
		defer h.conn.Close()
		return h.do(want)
	})
}

// echo is the module of the echo actor in stock Go.
func (b *bench) echo() string { return filepath.Join(b.actors, "echo.wasm") }

// bare starts what HTTP paths are compared with: a net/http server that answers the same bytes.
func (l *lab) bare() (addr string, err error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	server, err := start([]string{fmt.Sprintf("BENCH_PORT=%d", port)}, l.self, "-role", "http")
	if err != nil {
		return "", err
	}
	l.stops = append(l.stops, server.stop)
	return addr, answers(addr, []byte(answer))
}

// providerPID is the process of the only provider.
func (c cli) providerPID(ctx context.Context) (int, error) {
	var providers []struct {
		PID int `json:"pid"`
	}
	if err := c.run(ctx, &providers, "provider", "list"); err != nil {
		return 0, err
	}
	if len(providers) != 1 || providers[0].PID == 0 {
		return 0, fmt.Errorf("want one provider as a process, got %v", providers)
	}
	return providers[0].PID, nil
}
