package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// measureComponents compares the hello component, fresh for each request, with a bare server, with an actor of the same
// work by TinyGo, and with others that serve the same file. Those are in the folder that WEFT_PEERS names, where make
// peers puts them; what is not there is left out, and said.
func measureComponents(ctx context.Context, b *bench, r *report) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	defer l.close()
	hello, err := b.component("hello")
	if err != nil {
		return err
	}
	tiny, err := b.tinyEcho()
	if err != nil {
		return err
	}
	bareAddr, err := l.bare()
	if err != nil {
		return err
	}
	near, host, err := l.lattice(ctx, "components")
	if err != nil {
		return err
	}
	provider, err := near.providerPID(ctx)
	if err != nil {
		return err
	}
	inline, _, err := l.lattice(ctx, "componentsin", "--inline", "httpserver")
	if err != nil {
		return err
	}
	m := &spender{bench: b, pids: []int{host.pid(), provider}, used: map[string][]float64{}}
	local, err := m.path(ctx, "component, local channel", near, hello, "hello", payload)
	if err != nil {
		return err
	}
	tinyGo, err := m.path(ctx, "TinyGo, local channel", near, tiny, "tinygo-echo", answer)
	if err != nil {
		return err
	}
	inside, err := m.path(ctx, "component, inline", inline, hello, "hello", payload)
	if err != nil {
		return err
	}
	bare := b.http(ctx, "bare net/http", bareAddr)
	paths := []*path{bare, local, tinyGo, inside}
	var others []*path
	for _, p := range peers {
		addr, err := l.peer(p, hello)
		if err != nil {
			r.p("%s is not compared: %v", p.name, err)
			continue
		}
		others = append(others, &path{name: p.name, warm: func() error { return b.warm(addr, []byte(payload)) },
			load: func() (float64, error) { return b.load(ctx, addr, []byte(payload)) }})
	}
	paths = append(paths, others...)
	if err := b.inTurns(ctx, paths...); err != nil {
		return err
	}
	r.compare("HTTP → httpserver → local channel → component in Rust, fresh", local, bare, atLeast(.6))
	r.record("HTTP → httpserver inline → component in Rust, fresh", fmt.Sprintf("%.0f/s", median(inside.got)),
		fmt.Sprintf("%.3f of bare net/http", median(ratios(inside.got, bare.got))))
	for _, p := range others {
		r.compare("HTTP → httpserver inline → component in Rust, fresh", inside, p, atLeast(3))
	}
	r.target(target{figure: "processor time of a request, local channel, component in Rust, fresh",
		value:  fmt.Sprintf("%.1f µs", median(m.used[local.name])*1e6),
		beside: fmt.Sprintf("echo actor by TinyGo: %.1f µs", median(m.used[tinyGo.name])*1e6),
		got:    median(ratios(m.used[local.name], m.used[tinyGo.name])), goal: atMost(1.3, "")})
	for _, p := range paths {
		r.raw(p.name, p.got)
	}
	return nil
}

// spender measures what processes spend on a request, beside how many they answer.
type spender struct {
	*bench
	pids []int
	used map[string][]float64 // processor time of each request in seconds, by path
}

// path serves a file on the lattice of c.
func (m *spender) path(ctx context.Context, name string, c cli, file, actor, want string) (*path, error) {
	addr, err := c.serve(ctx, file, actor, []byte(want), "--cap", "wasmcloud:httpserver")
	if err != nil {
		return nil, err
	}
	return &path{name: name, warm: func() error { return m.warm(addr, []byte(want)) },
		load: func() (float64, error) {
			before, err := processorTime(m.pids)
			if err != nil {
				return 0, err
			}
			n, took, err := m.drive(ctx, addr, []byte(want), m.window)
			if err != nil {
				return 0, err
			}
			after, err := processorTime(m.pids)
			m.used[name] = append(m.used[name], (after-before)/float64(n))
			return float64(n) / took.Seconds(), err
		}}, nil
}

// component copies a component of package component's tests, to be signed under a name of its own.
func (b *bench) component(name string) (string, error) {
	code, err := os.ReadFile(filepath.Join("host", "internal", "component", "testdata", name+".wasm"))
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, name+".wasm")
	return path, os.WriteFile(path, code, 0o600)
}

// peers are others that serve a component over HTTP, with the flags that make them fastest.
var peers = []peer{
	{name: "wasmtime serve", file: "wasmtime_cli/wasmtime", args: func(_, component, addr string) ([]string, error) {
		return []string{"serve", "-Scli", "-Opooling-allocator=y", "--addr", addr, component}, nil
	}},
	{name: "wasmCloud 2 (wash dev)", file: "wash_cli/wash", args: func(dir, component, addr string) ([]string, error) {
		project := filepath.Join(dir, "wash")
		if err := os.MkdirAll(filepath.Join(project, ".wash"), 0o700); err != nil {
			return nil, err
		}
		config := fmt.Sprintf("version: %q\nbuild:\n  command: \"true\"\n  component_path: %s\ndev:\n  address: %s\n",
			"2",
			component, addr)
		return []string{"-C", project, "dev", "--non-interactive", "--meters", "off"},
			os.WriteFile(filepath.Join(project, ".wash", "config.yaml"), []byte(config), 0o600)
	}},
}

type peer struct {
	name, file string
	args       func(dir, component, addr string) ([]string, error)
}

// peer starts another server of a component, and returns where it answers.
func (l *lab) peer(p peer, component string) (addr string, err error) {
	folder := os.Getenv("WEFT_PEERS")
	if folder == "" {
		return "", fmt.Errorf("WEFT_PEERS names no folder; make peers fills one")
	}
	binary := filepath.Join(folder, p.file)
	if _, err := os.Stat(binary); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	args, err := p.args(l.dir, component, addr)
	if err != nil {
		return "", err
	}
	if args[0] == "-C" { // it works in the folder where it is started
		binary, args = "/bin/sh", append([]string{"-c", `cd "$1" && shift && exec "$@"`, "sh", args[1], binary},
			args[2:]...)
	}
	server, err := start([]string{"HOME=" + l.dir}, binary, args...)
	if err != nil {
		return "", err
	}
	l.stops = append(l.stops, server.stop)
	one := func() error {
		c, err := dial(addr, "/", []byte(payload))
		if err != nil {
			return err
		}
		defer c.conn.Close()
		return c.do([]byte(payload))
	}
	return addr, until(60*time.Second, one)
}
