// Demo is the main job on embedded defaults: a lattice on this machine with httpserver, keyvalue-nats and
// edge-data-processor, real requests, and what came back. It stays up on a terminal and ends by itself when there is
// none.
//
//	make demo        or: go run ./internal/deploy/demo -weft bin/weft -actors bin/actors
//
// It needs nothing but the two: requests are made here, and shown as the curl commands that would make them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/weftlattice/weft/internal/deploy/environ"
)

func main() {
	d := demo{}
	flag.StringVar(&d.weft, "weft", "bin/weft", "the binary")
	flag.StringVar(&d.actors, "actors", "bin/actors", "folder of the example actors")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type demo struct{ weft, actors, data, url string }

func (d *demo) run(ctx context.Context) (err error) {
	if d.data, err = os.MkdirTemp("", "weft-demo"); err != nil {
		return err
	}
	defer os.RemoveAll(d.data)
	port, err := freePort(8080)
	if err != nil {
		return err
	}
	natsPort, err := freePort(4222)
	if err != nil {
		return err
	}
	d.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	defer func() { // also after a failure or an interrupt
		end, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, d.quiet(end, "down"))
	}()
	for _, step := range []struct {
		say  string
		args []string
	}{
		{"A lattice on this machine: embedded NATS and one host.", []string{"up", "-d", "--nats-port",
			fmt.Sprint(natsPort)}},
		{"Two providers, each a process of its own.", []string{"provider", "start", "httpserver"}},
		{"", []string{"provider", "start", "keyvalue-nats"}},
		{"The actor, signed with a key made just now, pushed into the lattice, started.",
			[]string{"actor", "start", filepath.Join(d.actors, "edge-data-processor.wasm"), "--max", "8"}},
		{"Links let it use them.", []string{"link", "put", "edge-data-processor", "httpserver",
			fmt.Sprintf("address=127.0.0.1:%d", port)}},
		{"", []string{"link", "put", "edge-data-processor", "keyvalue-nats"}},
	} {
		if err := d.show(ctx, step.say, step.args...); err != nil {
			return err
		}
	}
	if err := d.requests(ctx); err != nil {
		return err
	}
	if err := d.show(ctx, "What runs where.", "host", "inspect"); err != nil {
		return err
	}
	return d.goOn(ctx)
}

// requests are the main job. Each answer is checked.
func (d *demo) requests(ctx context.Context) error {
	fmt.Println("\n# Real requests.")
	if _, err := d.request(ctx, "curl "+d.url+"/health", "GET", "/health", nil, 200,
		`{"status":"healthy"}`); err != nil {
		return err
	}
	text := "hello edge\n  lattice \n"
	answer, err := d.request(ctx, `printf 'hello edge\n  lattice \n' | curl --data-binary @- `+d.url+"/process",
		"POST", "/process", []byte(text), 200, `"result":"HELLO EDGE\nLATTICE"`)
	if err != nil {
		return err
	}
	_, hash, _ := strings.Cut(answer, `"hash":"`)
	hash, _, _ = strings.Cut(hash, `"`)
	if _, err := d.request(ctx, "curl "+d.url+"/cache/"+hash, "GET", "/cache/"+hash, nil, 200, answer); err != nil {
		return err
	}
	if _, err := d.request(ctx, "head -c 1048577 /dev/zero | curl --data-binary @- "+d.url+"/process", "POST",
		"/process", make([]byte, 1<<20+1), 413, "1 MiB"); err != nil {
		return err
	}
	_, err = d.request(ctx, `printf '\377' | curl --data-binary @- `+d.url+"/process", "POST", "/process",
		[]byte{0xff}, 400, "UTF-8")
	return err
}

func (d *demo) request(ctx context.Context, shown, method, path string, body []byte, status int,
	contains string) (string, error) {
	fmt.Printf("\n$ %s\n", shown)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	fmt.Printf("%s\n%s\n", resp.Status, bytes.TrimSpace(b))
	if resp.StatusCode != status || !strings.Contains(string(b), contains) {
		return "", fmt.Errorf("%s %s: got %s, want %d with %s", method, path, resp.Status, status, contains)
	}
	return string(b), nil
}

// goOn tells what one can do now, and waits when somebody is there to do it.
func (d *demo) goOn(ctx context.Context) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		fmt.Println("\n# No terminal, so this ends here. On one it stays up, and README.md tells how to go on.")
		return nil
	}
	fmt.Printf(`
# Still up at %s. In another terminal:
  export WEFT_DATA_DIR=%s
  %[3]s logs -f edge-data-processor
  %[3]s events
  %[3]s actor scale edge-data-processor --max 32
  %[3]s new actor hello && cd hello && %[3]s dev

Ctrl-C ends it.
`, d.url, d.data, d.weft)
	<-ctx.Done()
	return nil
}

// show runs a command of the CLI where everybody sees it.
func (d *demo) show(ctx context.Context, say string, args ...string) error {
	if say != "" {
		fmt.Printf("\n# %s\n", say)
	}
	fmt.Printf("\n$ weft %s\n", strings.Join(args, " "))
	cmd := d.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("weft %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (d *demo) quiet(ctx context.Context, args ...string) error {
	if out, err := d.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("weft %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.weft, args...)
	cmd.Env = append(os.Environ(), environ.Own("data-dir")+"="+d.data)
	return cmd
}

// freePort returns the first port from want on that nobody listens on.
func freePort(want int) (int, error) {
	for port := want; port < want+100; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port from %d on", want)
}
