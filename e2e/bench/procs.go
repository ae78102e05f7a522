package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weftlattice/weft/internal/latticetest/output"
)

// child is a process of a comparison; it ends when its standard input is closed.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   output.Text // standard output
	log   output.Text // standard error
}

func start(env []string, path string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(path, args...)}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.log
	c.cmd.SysProcAttr = ownGroup()
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	c.stdin = in
	return c, c.cmd.Start()
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends the process and waits for it.
func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // which Windows does not know; the end of standard input does
	done := make(chan struct{})
	go func() { _ = c.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		killGroup(c.cmd.Process)
		<-done
	}
}

// freePort returns a port that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// until repeats try until it succeeds or the time is over, and returns its last error.
func until(d time.Duration, try func() error) error {
	end := time.Now().Add(d)
	for {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// rss returns the resident memory of a process in bytes.
func rss(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, fmt.Errorf("unexpected statm %q", b)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// cli runs the CLI and decodes its JSON.
type cli struct {
	weft string
	env  []string
}

func (c cli) run(ctx context.Context, into any, args ...string) error {
	cmd := exec.CommandContext(ctx, c.weft, append(args, "-o", "json")...)
	cmd.Env = append(os.Environ(), c.env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("weft %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		return fmt.Errorf("weft %s: %w: %s", strings.Join(args, " "), err, out.String())
	}
	return nil
}
